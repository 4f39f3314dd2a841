import { parseArgs } from 'node:util';

export function gpuOptions() {
  const { values } = parseArgs({
    options: {
      device: { type: 'string', default: 'cuda' },
      model: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  return values;
}
