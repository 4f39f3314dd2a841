/** Reads the settings of one recipe, each by name with its range and default. */
export interface SettingReader {
  /** An integer from `least` to `most`. */
  readonly integer: (name: string, least: number, most: number, preset: number) => number;
  /** A decimal number from `least` to `most`. */
  readonly number: (name: string, least: number, most: number, preset: number) => number;
  readonly choice: <T extends string>(name: string, choices: readonly T[], preset: T) => T;
  /** Names joined by commas, each one of `choices`, in the order of `choices`; `preset` is all. */
  readonly names: <T extends string>(name: string, choices: readonly T[]) => readonly T[];
  /** Any texts joined by commas; none unless given. */
  readonly texts: (name: string) => readonly string[];
  /** All that were read, as text. Throws RangeError where one was given that nothing reads. */
  readonly done: () => Readonly<Record<string, string>>;
}

/** Every value throws RangeError, with the accepted values, where what is given is none of them. */
export function settingReader(
  recipe: string,
  given: Readonly<Record<string, string>> = {},
): SettingReader {
  const read = new Map<string, string>();
  const textOf = (name: string): string | undefined =>
    Object.hasOwn(given, name) ? given[name]!.trim() : undefined;
  const fail = (name: string, expected: string): never => {
    throw new RangeError(
      `expected setting ${name} of ${recipe} to be ${expected}, received "${textOf(name)}"`,
    );
  };
  const keep = <T>(name: string, value: T): T => {
    read.set(name, String(value));
    return value;
  };
  const decimal = (name: string, form: RegExp, least: number, most: number, preset: number) => {
    const text = textOf(name);
    const value = text === undefined ? preset : form.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return keep(name, value);
    const what = form.test('0.5') ? 'a number' : 'an integer';
    return fail(name, `${what} from ${least} to ${most}`);
  };
  return {
    integer: (name, least, most, preset) => decimal(name, /^\d{1,15}$/, least, most, preset),
    number: (name, least, most, preset) =>
      decimal(name, /^\d{1,6}(?:\.\d{1,6})?$/, least, most, preset),
    choice: (name, choices, preset) => {
      const text = textOf(name) ?? preset;
      const found = choices.find((choice) => choice === text);
      return found === undefined ? fail(name, choices.join(' or ')) : keep(name, found);
    },
    names: (name, choices) => {
      const text = textOf(name);
      if (text === undefined) {
        read.set(name, choices.join(','));
        return choices;
      }
      const wanted = text.split(',').map((part) => part.trim());
      if (!wanted.every((part) => choices.some((choice) => choice === part))) {
        fail(name, `names out of ${choices.join(', ')}, joined by commas`);
      }
      const chosen = choices.filter((choice) => wanted.includes(choice));
      read.set(name, chosen.join(','));
      return chosen;
    },
    texts: (name) => {
      const parts = (textOf(name) ?? '').split(',').map((part) => part.trim());
      const texts = parts.filter((part) => part !== '');
      read.set(name, texts.join(','));
      return texts;
    },
    done: () => {
      for (const name of Object.keys(given)) {
        if (!read.has(name)) {
          const known = read.size === 0 ? 'no settings' : [...read.keys()].join(', ');
          throw new RangeError(
            `expected settings of ${recipe} among ${known}, received ${name.slice(0, 80)}`,
          );
        }
      }
      return Object.fromEntries(read);
    },
  };
}
