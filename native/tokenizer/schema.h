// The larger members of tokenizer.json, each read from a reader that stands at its value.
#pragma once

#include "json/json.h"
#include "tokenizer/definition.h"

namespace simgpt {

// Kind, vocabulary and merges; a missing type is told from the fields, as the reference tells it.
void read_model(JsonReader reader, TokenizerDefinition& definition, LoadBudget& budget);

// After the model: an added token that the model lacks must carry the id the reference gives it.
void read_added_tokens(JsonReader reader, TokenizerDefinition& definition, LoadBudget& budget);

// After the added tokens: the ids put around a text, every one of them checked.
void read_post_processor(JsonReader reader, TokenizerDefinition& definition);

}  // namespace simgpt
