import type { Template } from '../template.js';
import { takeTemplate, withShuffledGuidelines, withSlotValues } from './templates_taken.js';

/** One of the six groups of E5's synthetic data. */
export interface E5Group {
  readonly name: E5GroupName;
  /** Thousands of examples in the published data: the default mix (METHODS 9). */
  readonly share: number;
  /** Absent where examples are written without a task. */
  readonly brainstorm: Template | undefined;
  readonly write: Template;
}

const shares = {
  'short-long': 167,
  'long-short': 122,
  'short-short': 13,
  'long-long': 17,
  sts: 99,
  bitext: 89,
} as const;

export type E5GroupName = keyof typeof shares;

export const e5GroupNames = Object.keys(shares) as readonly E5GroupName[];

/** The groups' templates; languages other than the templates' own where some are given. */
export function e5Groups(
  templates: ReadonlyMap<string, Template>,
  names: readonly E5GroupName[],
  { languages, shuffles }: { readonly languages: readonly string[]; readonly shuffles: boolean },
): readonly E5Group[] {
  return names.map((name) => {
    const direct = name === 'sts' || name === 'bitext';
    const mined = name === 'short-short' || name === 'long-long';
    const write = takeTemplate(templates, direct ? `e5-${name}` : `e5-write-${name}`, {
      inputs: direct ? [] : ['task'],
      shape: 'texts',
      // The other two groups have their hard negatives mined later.
      writes: mined ? ['positive'] : ['positive', 'hardNegatives'],
    });
    const brainstorm = direct
      ? undefined
      : takeTemplate(templates, `e5-brainstorm-${name}`, { inputs: [], shape: 'list' });
    const spoken = inLanguages(write, languages);
    return {
      name,
      share: shares[name],
      brainstorm,
      write: shuffles ? withShuffledGuidelines(spoken) : spoken,
    };
  });
}

const languageSlots = ['language', 'src_lang', 'tgt_lang'] as const;

/** Throws RangeError where the two sides of a bitext would have to be in one language. */
function inLanguages(template: Template, languages: readonly string[]): Template {
  if (languages.length === 0) return template;
  const used = languageSlots.filter((slot) => Object.hasOwn(template.slots, slot));
  if (used.length > 1 && languages.length < 2) {
    throw new RangeError(
      `expected two languages or more for ${template.id}, received ${languages.join(', ')}`,
    );
  }
  return used.reduce((changed, slot) => withSlotValues(changed, slot, languages), template);
}
