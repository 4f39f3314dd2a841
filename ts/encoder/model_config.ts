import { SimgptError } from '../errors.js';
import type { JsonFile } from '../files/json.js';
import {
  choiceField,
  describeValue,
  fieldOf,
  failField,
  integerField,
  listChoices,
  numberField,
  refuseField,
} from './config_fields.js';

export type ModelType = 'bert' | 'roberta' | 'xlm-roberta';
export type Activation = 'gelu' | 'geluTanh';

/** The architecture as `config.json` states it. */
export interface ModelConfig {
  readonly modelType: ModelType;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layerCount: number;
  readonly headCount: number;
  readonly intermediateSize: number;
  /** Rows of the position table; a RoBERTa sequence uses those from `positionOffset` on. */
  readonly maxPositions: number;
  readonly typeVocabSize: number;
  readonly layerNormEps: number;
  readonly activation: Activation;
  /** Id of a sequence's first position: 0 for BERT, padding id + 1 for RoBERTa. */
  readonly positionOffset: number;
  readonly padTokenId: number;
  readonly hiddenDropout: number;
  readonly attentionDropout: number;
  readonly initializerRange: number;
}

const modelTypes = new Map<string, ModelType>([
  ['bert', 'bert'],
  ['roberta', 'roberta'],
  ['xlm-roberta', 'xlm-roberta'],
]);

const activations = new Map<string, Activation>([
  ['gelu', 'gelu'],
  ['gelu_new', 'geluTanh'],
  ['gelu_pytorch_tanh', 'geluTanh'],
]);

/** Known encoders that are not read yet: named, so that nobody searches for a broken file. */
const laterModelTypes = new Map([
  ['mpnet', 'MPNet'],
  ['distilbert', 'DistilBERT'],
  ['modernbert', 'ModernBERT'],
  ['albert', 'ALBERT'],
  ['deberta-v2', 'DeBERTa'],
  ['electra', 'ELECTRA'],
  ['nomic_bert', 'Nomic BERT'],
  ['t5', 'T5'],
]);

function readModelType(file: JsonFile): ModelType {
  const value = fieldOf(file, 'model_type');
  const later = typeof value === 'string' ? laterModelTypes.get(value) : undefined;
  if (later !== undefined) {
    throw new SimgptError(
      'unsupported',
      `${file.path}: field model_type: ${later} models are not supported yet: ` +
        `expected ${listChoices(modelTypes.keys())}, received ${describeValue(value)}`,
    );
  }
  return choiceField(file, 'model_type', modelTypes);
}

/** Reads and checks `config.json`; `auto_map` and other code references are never followed. */
export function readModelConfig(file: JsonFile): ModelConfig {
  const modelType = readModelType(file);
  const roberta = modelType !== 'bert';
  refuseField(file, 'position_embedding_type', ['absolute']);
  refuseField(file, 'is_decoder', [false]);
  refuseField(file, 'add_cross_attention', [false]);
  refuseField(file, 'quantization_config', []);

  const size = { min: 1, max: 1_048_576 };
  const hiddenSize = integerField(file, 'hidden_size', { min: 1, max: 65_536 });
  const headCount = integerField(file, 'num_attention_heads', { min: 1, max: 1024 });
  if (hiddenSize % headCount !== 0) {
    failField(file, 'num_attention_heads', `a divisor of hidden_size ${hiddenSize}`);
  }
  const vocabSize = integerField(file, 'vocab_size', { min: 1, max: 4_194_304 });
  const padTokenId = integerField(
    file,
    'pad_token_id',
    { min: 0, max: vocabSize - 1 },
    Math.min(roberta ? 1 : 0, vocabSize - 1),
  );
  const positionOffset = roberta ? padTokenId + 1 : 0;
  return {
    modelType,
    vocabSize,
    hiddenSize,
    layerCount: integerField(file, 'num_hidden_layers', { min: 1, max: 1024 }),
    headCount,
    intermediateSize: integerField(file, 'intermediate_size', size),
    maxPositions: integerField(file, 'max_position_embeddings', {
      min: positionOffset + 1,
      max: size.max,
    }),
    typeVocabSize: integerField(file, 'type_vocab_size', { min: 1, max: 1024 }, 2),
    layerNormEps: numberField(file, 'layer_norm_eps', { min: 0, max: 1 }, 1e-12),
    activation: choiceField(file, 'hidden_act', activations, 'gelu'),
    positionOffset,
    padTokenId,
    hiddenDropout: numberField(file, 'hidden_dropout_prob', { min: 0, max: 1 }, 0.1),
    attentionDropout: numberField(file, 'attention_probs_dropout_prob', { min: 0, max: 1 }, 0.1),
    initializerRange: numberField(file, 'initializer_range', { min: 0, max: 10 }, 0.02),
  };
}
