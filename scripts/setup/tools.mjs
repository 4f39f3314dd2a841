// The tools a build needs, and the command that installs a missing one.
import { readFileSync } from 'node:fs';
import { setupError, tryRun } from './run.mjs';

/** Debian's package, Fedora's, Arch's, Alpine's, SUSE's. */
const packages = {
  compiler: { apt: 'g++', dnf: 'gcc-c++', pacman: 'gcc', zypper: 'gcc-c++' },
  cmake: { apt: 'cmake', dnf: 'cmake', pacman: 'cmake', zypper: 'cmake' },
  make: { apt: 'make', dnf: 'make', pacman: 'make', zypper: 'make' },
  python: { apt: 'python3', dnf: 'python3', pacman: 'python', zypper: 'python3' },
  pip: { apt: 'python3-pip', dnf: 'python3-pip', pacman: 'python-pip', zypper: 'python3-pip' },
};

const installers = {
  apt: 'sudo apt-get install -y',
  dnf: 'sudo dnf install -y',
  pacman: 'sudo pacman -S --needed',
  zypper: 'sudo zypper install -y',
};

function packageManager() {
  let text = '';
  try {
    text = readFileSync('/etc/os-release', 'utf8');
  } catch {
    return 'apt';
  }
  const ids = /^ID(?:_LIKE)?=.*$/gm;
  const words = (text.match(ids) ?? []).join(' ').toLowerCase();
  if (/fedora|rhel|centos|amzn/.test(words)) {
    return 'dnf';
  }
  return /arch/.test(words) ? 'pacman' : /suse/.test(words) ? 'zypper' : 'apt';
}

/** @param {readonly string[]} names  keys of `packages` */
export function installCommand(names) {
  const manager = packageManager();
  return `${installers[manager]} ${names.map((name) => packages[name][manager]).join(' ')}`;
}

/**
 * Every tool with its version, or undefined where it is missing or too old.
 * @returns {Promise<Record<'compiler'|'cmake'|'ninja'|'make'|'python'|'pip', string | undefined>>}
 */
export async function findTools() {
  const compiler = process.env.CXX || 'c++';
  const [cxx, cmake, ninja, make, python, pip] = await Promise.all([
    tryRun(compiler, ['--version']).then((text) => text ?? tryRun('g++', ['--version'])),
    tryRun('cmake', ['--version']),
    tryRun('ninja', ['--version']),
    tryRun('make', ['--version']),
    tryRun('python3', ['--version']),
    tryRun('python3', ['-m', 'pip', '--version']),
  ]);
  return {
    compiler: firstLine(cxx),
    cmake: atLeast(firstLine(cmake), 3, 18),
    ninja: firstLine(ninja),
    make: firstLine(make),
    python: firstLine(python),
    pip: firstLine(pip)?.replace(/ from .*/, ''),
  };
}

function firstLine(text) {
  return text?.split('\n', 1)[0]?.trim();
}

function atLeast(text, major, minor) {
  const found = /(\d+)\.(\d+)/.exec(text ?? '');
  const [a, b] = [Number(found?.[1] ?? 0), Number(found?.[2] ?? 0)];
  return a > major || (a === major && b >= minor) ? text : undefined;
}

const titles = {
  compiler: 'a C++ compiler',
  cmake: 'CMake 3.18 or newer',
  make: 'Ninja or Make',
  python: 'Python 3',
  pip: 'pip',
};

/** What is missing of the named needs, as the names that `installCommand` takes. */
export function missingTools(tools, needs) {
  return needs.filter((need) =>
    need === 'make' ? (tools.make ?? tools.ninja) === undefined : tools[need] === undefined,
  );
}

/** Throws one sentence that names all that is missing and the command that installs it. */
export function requireTools(tools, needs, purpose) {
  const missing = missingTools(tools, needs);
  if (missing.length > 0) {
    const names = missing.map((name) => titles[name]).join(', ');
    throw setupError(
      `expected ${names} ${purpose}, found none. Install with: ${installCommand(missing)}`,
    );
  }
}
