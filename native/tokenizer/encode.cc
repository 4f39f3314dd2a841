// A batch of texts over the threads: each takes a stretch of neighbouring texts of about the same
// bytes, and the stretches are joined in order.
#include <algorithm>
#include <atomic>
#include <exception>
#include <limits>
#include <span>
#include <system_error>
#include <thread>

#include "tokenizer/tokenizer_parts.h"

namespace simgpt {

std::unique_ptr<Scratch> ScratchPool::take() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Scratch> scratch = std::move(idle_.back());
      idle_.pop_back();
      return scratch;
    }
  }
  return std::make_unique<Scratch>();
}

void ScratchPool::give_back(std::unique_ptr<Scratch> scratch) {
  constexpr size_t kMostBytes = size_t{1} << 20;  // buffers that one huge text made larger go
  if (scratch->normalized.capacity() > kMostBytes) scratch->normalized = {};
  if (scratch->prefixed.capacity() > kMostBytes) scratch->prefixed = {};
  if (scratch->word.capacity() > kMostBytes) scratch->word = {};
  if (scratch->pieces.capacity() > kMostBytes / sizeof(TextPiece)) scratch->pieces = {};
  if (scratch->normalized_pieces.capacity() > kMostBytes / sizeof(TextPiece)) {
    scratch->normalized_pieces = {};
  }
  scratch->ids.clear(kMostBytes / sizeof(int32_t));
  const std::lock_guard<std::mutex> lock(mutex_);
  idle_.push_back(std::move(scratch));
}

int64_t ScratchPool::memory_bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  int64_t bytes = 0;
  for (const auto& scratch : idle_) bytes += scratch->cache.memory_bytes();
  return bytes;
}

void Tokenizer::Parts::encode_wordpiece_piece(const TextPiece& piece, const char* readable_end,
                                              Scratch& scratch,
                                              WordEncoder<WordPieceModel>& encoder) const {
  if (normalized_tokens.empty()) {
    return words->encode(piece.begin, piece.end, readable_end, encoder);
  }
  const std::string_view text(piece.begin, static_cast<size_t>(piece.end - piece.begin));
  normalize_bert(definition.normalizer, text, scratch.normalized);
  const char* begin = scratch.normalized.data();
  const char* end = begin + scratch.normalized.size();
  scratch.normalized_pieces.clear();
  normalized_tokens.split(begin, end, scratch.normalized_pieces);
  for (const TextPiece& part : scratch.normalized_pieces) {
    if (part.id >= 0) {
      encoder.push(part.id);
    } else {
      normalized_words->encode(part.begin, part.end, end, encoder);
    }
  }
}

void Tokenizer::Parts::encode_text(const char* begin, const char* end, const char* readable_end,
                                   Scratch& scratch, const CancelToken& cancel) const {
  if (begin == end) return;
  scratch.pieces.clear();
  raw_tokens.split(begin, end, scratch.pieces);
  if (wordpiece) {
    WordEncoder<WordPieceModel> encoder(*wordpiece, scratch, cancel);
    for (const TextPiece& piece : scratch.pieces) {
      if (piece.id >= 0) {
        encoder.push(piece.id);
      } else {
        encode_wordpiece_piece(piece, readable_end, scratch, encoder);
      }
    }
    return;
  }
  WordEncoder<BpeModel> encoder(*bpe, scratch, cancel);
  for (const TextPiece& piece : scratch.pieces) {
    if (piece.id >= 0) {
      encoder.push(piece.id);
      continue;
    }
    scratch.normalized_pieces.clear();  // nothing normalizes here: only a second round of tokens
    normalized_tokens.split(piece.begin, piece.end, scratch.normalized_pieces);
    for (const TextPiece& part : scratch.normalized_pieces) {
      if (part.id >= 0) {
        encoder.push(part.id);
      } else {
        encode_byte_level(part.begin, part.end, readable_end, definition.add_prefix_space, encoder);
      }
    }
  }
}

namespace {

constexpr int64_t kMostTokens = std::numeric_limits<int32_t>::max();  // cuSeqlens are int32

// A worker's texts, [first, last), and what became of them.
struct Stretch {
  size_t first = 0;
  size_t last = 0;
  std::unique_ptr<Scratch> scratch;
  std::exception_ptr error;
};

// What all workers of a call share.
struct Call {
  const PackedTexts& texts;
  std::span<const int32_t> before, after;  // ids around each text
  int64_t max_tokens;
  const CancelToken& cancel;
  TokenBatch& batch;  // cu_seqlens[i + 1] holds the length of text i until they are summed
  std::atomic<bool> failed{false};
};

std::vector<Stretch> cut(const PackedTexts& texts, int threads) {
  constexpr uint64_t kLeastBytes = 1 << 15;  // less is not worth a thread
  const uint64_t first = texts.offsets[0];
  const uint64_t bytes = texts.offsets[texts.count] - first;
  const uint64_t workers =
      std::clamp<uint64_t>(bytes / kLeastBytes, 1, static_cast<uint64_t>(std::max(threads, 1)));
  std::vector<Stretch> stretches(workers);
  size_t text = 0;
  for (uint64_t i = 0; i < workers; ++i) {
    stretches[i].first = text;
    const uint64_t target = first + bytes / workers * (i + 1);
    while (text < texts.count && (i + 1 == workers || texts.offsets[text] < target)) ++text;
    stretches[i].last = text;
  }
  return stretches;
}

// Closes text i, whose ids begin at `begin`: its end is cut off if need be, then the specials.
void close_text(Call& call, size_t i, size_t begin, IdBuffer& ids) {
  const auto full = static_cast<int64_t>(ids.size() - begin + call.after.size());
  if (full > kMostTokens) {
    throw Error(ErrorKind::kRange, "expected a text of fewer than 2^31 tokens, received more");
  }
  if (full > call.max_tokens) {
    ids.truncate(begin + static_cast<size_t>(call.max_tokens) - call.after.size());
  }
  ids.append(call.after.data(), call.after.size());
  call.batch.full_lengths[i] = static_cast<int32_t>(full);
  call.batch.cu_seqlens[i + 1] = static_cast<int32_t>(ids.size() - begin);
}

// Runs a function on every stretch, the first on this thread; rethrows the first error.
template <class Work>
void run_all(std::vector<Stretch>& stretches, Call& call, const Work& work) {
  const auto guarded = [&](Stretch& stretch) {
    try {
      work(stretch);
    } catch (...) {
      stretch.error = std::current_exception();
      call.failed.store(true, std::memory_order_relaxed);
    }
  };
  std::vector<std::thread> others;
  others.reserve(stretches.size());
  for (size_t i = 1; i < stretches.size(); ++i) {
    try {
      others.emplace_back(guarded, std::ref(stretches[i]));
    } catch (const std::system_error&) {  // no more threads to be had
      guarded(stretches[i]);
    }
  }
  guarded(stretches[0]);
  for (std::thread& other : others) other.join();
  for (const Stretch& stretch : stretches) {
    if (stretch.error) std::rethrow_exception(stretch.error);
  }
}

void sum_lengths(std::vector<int32_t>& cu_seqlens) {
  int64_t total = 0;
  for (size_t i = 1; i < cu_seqlens.size(); ++i) {
    total += cu_seqlens[i];
    if (total > kMostTokens) {
      throw Error(ErrorKind::kRange, "expected a batch of fewer than 2^31 tokens, received more");
    }
    cu_seqlens[i] = static_cast<int32_t>(total);
  }
}

}  // namespace

TokenBatch Tokenizer::encode(const PackedTexts& texts, int64_t max_tokens, bool add_special_tokens,
                             int threads, const CancelToken& cancel) const {
  const Parts& parts = *parts_;
  const int64_t least = add_special_tokens ? std::max<int64_t>(special_count(), 1) : 1;
  if (max_tokens < least) {
    throw Error(ErrorKind::kRange, "expected maxTokens >= " + std::to_string(least) +
                                       ", received " + std::to_string(max_tokens));
  }
  TokenBatch batch;
  batch.cu_seqlens.assign(texts.count + 1, 0);
  batch.full_lengths.assign(texts.count, 0);
  if (texts.count == 0) return batch;

  Call call{texts, {}, {}, max_tokens, cancel, batch};
  if (add_special_tokens) {
    call.before = parts.definition.before;
    call.after = parts.definition.after;
  }
  std::vector<Stretch> stretches = cut(texts, threads);
  const char* const readable_end = texts.bytes + texts.offsets[texts.count];
  run_all(stretches, call, [&](Stretch& stretch) {
    stretch.scratch = parts.pool.take();
    IdBuffer& ids = stretch.scratch->ids;
    ids.reserve((texts.offsets[stretch.last] - texts.offsets[stretch.first]) / 3 +
                (stretch.last - stretch.first) * static_cast<size_t>(special_count()) + 16);
    uint64_t poll_at = 0;
    for (size_t i = stretch.first; i < stretch.last; ++i) {
      if (texts.offsets[i] >= poll_at) {
        cancel.poll();
        if (call.failed.load(std::memory_order_relaxed)) return;
        poll_at = texts.offsets[i] + kBytesPerPoll;
      }
      const size_t begin = ids.size();
      ids.append(call.before.data(), call.before.size());
      parts.encode_text(texts.bytes + texts.offsets[i], texts.bytes + texts.offsets[i + 1],
                        readable_end, *stretch.scratch, cancel);
      close_text(call, i, begin, ids);
    }
  });

  sum_lengths(batch.cu_seqlens);
  batch.token_ids.reserve(static_cast<size_t>(batch.cu_seqlens.back()));
  for (Stretch& stretch : stretches) {
    const IdBuffer& ids = stretch.scratch->ids;
    batch.token_ids.insert(batch.token_ids.end(), ids.data(), ids.data() + ids.size());
    parts.pool.give_back(std::move(stretch.scratch));
  }
  return batch;
}

}  // namespace simgpt
