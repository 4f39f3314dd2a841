// What a bench ran on: printed before every run, and enough to read a figure by later.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, loadavg, totalmem } from 'node:os';

const levelFlags = ['avx2', 'fma', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'avx_vnni', 'amx_tile'];

/** @param {string} root the checkout */
export function describeMachine(root) {
  const cpuinfo = read('/proc/cpuinfo');
  const flags = new Set((/^flags\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? '').split(' '));
  const level = flags.has('avx512f') ? 'avx512' : flags.has('avx2') ? 'avx2' : 'baseline';
  const governor = read('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor').trim();
  const status = git(root, 'status', '--porcelain');
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: `${git(root, 'rev-parse', '--short', 'HEAD') || 'unknown'}${status === '' ? '' : ' with uncommitted changes'}`,
    cpu: /^model name\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? 'unknown',
    family: `family ${field(cpuinfo, 'cpu family')} model ${field(cpuinfo, 'model')}`,
    level,
    flags: levelFlags.filter((flag) => flags.has(flag)),
    cores: availableParallelism(),
    governor: governor === '' ? 'not readable' : governor,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
  };
}

/** Load over one minute, and whether it is too high to trust a figure. */
export function load(cores = availableParallelism()) {
  const [minute] = loadavg();
  return { minute, noisy: minute > cores / 2 };
}

export function machineLines(machine, threads) {
  const { date, commit, cpu, family, level, flags, cores, governor, memoryGib, node } = machine;
  const { minute, noisy } = load(cores);
  return [
    `date ${date}, commit ${commit}, Node ${node}`,
    `CPU ${cpu} (${family}), level ${level}: ${flags.join(' ')}`,
    `${cores} cores, ${threads} threads for each side, governor ${governor}, ${memoryGib} GiB`,
    `load before ${minute.toFixed(2)}${noisy ? ' **noisy**' : ''}`,
  ];
}

function field(cpuinfo, name) {
  return new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(cpuinfo)?.[1] ?? '?';
}

function read(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function git(root, ...args) {
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : '';
}
