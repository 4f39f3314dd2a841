import { nearDuplicateLeaders } from '../diversity/near_duplicates.js';
import { selfSimilarity } from '../diversity/self_similarity.js';
import { sharesOf } from '../diversity/shares.js';
import { kMeans, topWords } from '../diversity/topics.js';
import type { Vectors } from '../diversity/vectors.js';
import { distinctNgrams, quantile, wordCounts } from '../diversity/words.js';
import { histogramChart } from '../report/charts.js';
import type { ReportBlock, ReportSection } from '../report/page.js';
import type { Example } from './example.js';

/** Cosine from which two anchors count as one text said twice. */
const nearCosine = 0.95;
const topicSeed = 0;

/** How varied the rows are: by their words, and by the vectors of their anchors where there are any. */
export function diversitySection(
  rows: readonly Example[],
  anchors: Vectors | undefined,
): ReportSection {
  const texts = {
    anchor: rows.map(({ anchor }) => anchor),
    positive: rows.map(({ positive }) => positive),
    'hard negative': rows.flatMap(({ hardNegatives }) => hardNegatives),
  };
  return {
    title: 'Diversity',
    blocks: [
      wordTable(texts, rows.length),
      ...(anchors === undefined || rows.length < 2 ? [] : vectorBlocks(texts.anchor, anchors)),
    ],
  };
}

function wordTable(texts: Readonly<Record<string, readonly string[]>>, rows: number): ReportBlock {
  const numeric = true;
  const written = Object.entries(texts).filter(([, list]) => list.length > 0);
  const cells = written.map(([role, list]) => {
    const middle = quantile(wordCounts(list), 0.5);
    const shares = [1, 2, 3].map((n) => distinctNgrams(list, n).share.toFixed(3));
    return [role, list.length, middle, ...shares];
  });
  return {
    kind: 'table',
    caption:
      `Share of different words, pairs and triples of words (distinct-n) in ${rows} drawn rows; ` +
      'it falls with their number',
    columns: [
      { title: 'text' },
      { title: 'texts', numeric },
      { title: 'median words', numeric },
      { title: 'distinct-1', numeric },
      { title: 'distinct-2', numeric },
      { title: 'distinct-3', numeric },
    ],
    rows: cells,
  };
}

function vectorBlocks(texts: readonly string[], anchors: Vectors): ReportBlock[] {
  const similarity = selfSimilarity(anchors);
  const leaders = nearDuplicateLeaders(anchors, nearCosine);
  const repeated = leaders.reduce((sum, leader, row) => sum + (leader === row ? 0 : 1), 0);
  const [largest] = sharesOf(Array.from(leaders, String));
  return [
    {
      kind: 'figures',
      figures: [
        {
          label: 'self-similarity',
          value: similarity.mean.toFixed(3),
          note: 'mean cosine of two anchors',
        },
        { label: 'near duplicates', value: repeated, note: `cosine ${nearCosine} or more` },
        {
          label: 'largest cluster of them',
          value: percent(largest!.share),
          note: `${largest!.rows} of ${texts.length} anchors`,
        },
      ],
    },
    {
      kind: 'chart',
      title: 'Cosine of two anchors',
      note: `random pairs, seed ${similarity.seed}`,
      chart: histogramChart({
        x: 'cosine',
        series: [{ name: 'anchors', values: similarity.cosines }],
        range: [-0.2, 1],
      }),
    },
    topicTable(texts, anchors),
  ];
}

/** Topics enough to tell a set's themes apart, few enough to read. */
function topicTable(texts: readonly string[], anchors: Vectors): ReportBlock {
  const k = Math.min(12, Math.max(2, Math.round(Math.sqrt(texts.length / 4))));
  const topics = kMeans(anchors, { k, seed: topicSeed });
  const words = topWords(texts, topics);
  const numeric = true;
  return {
    kind: 'table',
    caption: `Topics of the anchors: k-means on their embeddings, k ${topics.k}, seed ${topics.seed}`,
    columns: [{ title: 'marked by' }, { title: 'rows', numeric }, { title: 'share', numeric }],
    rows: words.map((list, topic) => {
      const rows = topics.sizes[topic]!;
      return [list.join(', '), rows, percent(rows / texts.length)];
    }),
  };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
