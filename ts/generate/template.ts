import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { SimgptError } from '../errors.js';
import { errorCode, isMissing } from '../files/json.js';
import { canonicalHash, withoutUndefined } from '../files/canonical_json.js';
import type { TemplateFields } from './template_schema.js';

/** A checked template: what its file says, and what identifies it in a row. */
export interface Template extends TemplateFields {
  readonly path: string;
  /** sha256 of the canonical form of its fields: another wording, slot or weight is another hash. */
  readonly hash: string;
}

/** The templates that come with the package. */
export const shippedTemplates = fileURLToPath(new URL('../../templates/', import.meta.url));

/** The folder below a template folder that holds refusal phrases, not templates. */
export const refusalsFolder = 'refusals';

/** Reads and checks one template. Throws SimgptError `fileNotFound`, `fileInvalid` or `ioFailed`. */
export async function readTemplate(path: string): Promise<Template> {
  const [{ readChecked }, { templateSchema }] = await Promise.all([
    import('../files/checked_json.js'),
    import('./template_schema.js'),
  ]);
  const fields = await readChecked(path, templateSchema);
  return { ...fields, path, hash: canonicalHash(withoutUndefined(fields)) };
}

/**
 * Every template by id: the shipped ones, those of the user's folder in their place where the id is
 * the same. Throws SimgptError: `fileInvalid` also where one folder has an id twice.
 */
export async function loadTemplates(
  options: { readonly folder?: string } = {},
): Promise<ReadonlyMap<string, Template>> {
  const templates = await readFolder(shippedTemplates);
  if (options.folder !== undefined) {
    for (const [id, template] of await readFolder(options.folder)) templates.set(id, template);
  }
  return templates;
}

async function readFolder(folder: string): Promise<Map<string, Template>> {
  const templates = new Map<string, Template>();
  for (const path of await jsonFilesBelow(folder)) {
    const template = await readTemplate(path);
    const earlier = templates.get(template.id);
    if (earlier !== undefined) {
      throw new SimgptError(
        'fileInvalid',
        `${path}: field id: expected an id of its own, received "${template.id}" of ${earlier.path}`,
      );
    }
    templates.set(template.id, template);
  }
  return templates;
}

/** `*.json` in the folder and in the folders directly below it, sorted, refusals left out. */
async function jsonFilesBelow(folder: string): Promise<readonly string[]> {
  const paths: string[] = [];
  for (const entry of await listFolder(folder)) {
    if (entry.isDirectory() && entry.name !== refusalsFolder) {
      const below = join(folder, entry.name);
      const files = (await listFolder(below)).filter((file) => file.isFile());
      paths.push(...files.map((file) => join(below, file.name)));
    } else if (entry.isFile()) {
      paths.push(join(folder, entry.name));
    }
  }
  return paths.filter((path) => path.endsWith('.json')).sort();
}

/** Throws SimgptError `fileNotFound` or `ioFailed`. */
export async function listFolder(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    const code = isMissing(error) ? 'fileNotFound' : 'ioFailed';
    const reason = errorCode(error) ?? String(error);
    throw new SimgptError(code, `${folder}: cannot list: ${reason}`, { cause: error });
  }
}
