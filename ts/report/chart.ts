import type { Config, TopLevelSpec } from 'vega-lite';

import { visibleText } from './markup.js';

/** A vega-lite specification, complete with its data. Made by this package, never read from a file. */
export type ChartSpec = TopLevelSpec;

/** Colours that stand out on a light and on a dark page, in the order in which series take them. */
export const seriesColors = [
  '#3b82c4',
  '#d97b29',
  '#2f9e6e',
  '#b0559f',
  '#8d7d2b',
  '#c4504b',
] as const;

// Lines and letters take the page's own colour, so that a dark page gets a light chart.
const line = { color: 'currentColor', opacity: 0.35 };
const config: Config = {
  aria: false,
  background: 'transparent',
  font: 'system-ui, sans-serif',
  view: { stroke: null },
  range: { category: [...seriesColors] },
  axis: {
    labelColor: 'currentColor',
    titleColor: 'currentColor',
    titleFontWeight: 'normal',
    labelFontSize: 11,
    titleFontSize: 12,
    labelLimit: 260,
    gridColor: line.color,
    gridOpacity: 0.12,
    domainColor: line.color,
    domainOpacity: line.opacity,
    tickColor: line.color,
    tickOpacity: line.opacity,
  },
  legend: {
    labelColor: 'currentColor',
    titleColor: 'currentColor',
    labelFontSize: 12,
    labelLimit: 260,
    orient: 'top',
    title: null,
  },
};

const silent = { level: () => silent, error: fail, warn: () => silent, info: () => silent };
const logger = { ...silent, debug: () => logger };

function fail(...messages: readonly unknown[]): never {
  throw new Error(`a chart could not be drawn: ${messages.map(String).join(' ')}`);
}

/** Vega only warns of what it could not load, so each attempt is noted in `refused`. */
function createRefusingLoader(refused: string[]) {
  const refuse = (uri: unknown): Promise<never> => {
    refused.push(String(uri));
    return Promise.reject(new Error('a chart opens no file and no address'));
  };
  return { load: refuse, sanitize: refuse, http: refuse, file: refuse };
}

/**
 * Draws a chart as one `<svg>` element that refers to nothing outside it. Equal specifications give
 * equal bytes: widths of text are estimated, never measured with fonts of the machine. Text in the
 * data is shown, never acted on; field names and expressions must be the caller's own.
 */
export async function chartSvg(spec: ChartSpec): Promise<string> {
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  // Where the optional `canvas` package is installed, vega would measure with it.
  (vega as unknown as { textMetrics: { canvas(use: boolean): void } }).textMetrics.canvas(false);
  const compiled = vegaLite.compile(withVisibleText(spec), { config, logger: logger as never });
  const refused: string[] = [];
  const view = new vega.View(vega.parse(compiled.spec), {
    renderer: 'none',
    loader: createRefusingLoader(refused),
    logger: logger as never,
  });
  try {
    const svg = await view.toSVG();
    if (refused.length > 0) {
      throw new RangeError(
        `expected a chart with its data inside, received one that opens ${refused[0]}`,
      );
    }
    return svg;
  } finally {
    view.finalize();
  }
}

/** The specification with the control characters of all its strings made visible. */
function withVisibleText(spec: ChartSpec): ChartSpec {
  const visible = (_key: string, value: unknown): unknown =>
    typeof value === 'string' ? visibleText(value) : value;
  return JSON.parse(JSON.stringify(spec, visible)) as ChartSpec;
}
