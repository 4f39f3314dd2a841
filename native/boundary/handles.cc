#include "handles.h"

#include "environment.h"
#include "faults.h"
#include "seeded_defects.h"

namespace simgpt {

namespace {

// The JavaScript object wraps the key itself, not a pointer.
static_assert(sizeof(void*) == 8, "a handle's key is kept in a pointer's bits");
void* pack(HandleKey key) {
  return reinterpret_cast<void*>((uint64_t{key.generation} << 32) | key.slot);
}
HandleKey unpack(void* packed) {
  const auto bits = reinterpret_cast<uint64_t>(packed);
  return {static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32)};
}

void report_bytes(napi_env env, int64_t change) noexcept {
  if constexpr (seeded(Defect::kMemoryUnreported)) return;
  int64_t total = 0;
  napi_adjust_external_memory(env, change, &total);
}

// May run late and in any order: the environment is looked up by its id.
void finalize_handle(napi_env env, void* packed, void* id) {
  Environment* environment = Environment::find(reinterpret_cast<uint64_t>(id));
  if (environment != nullptr) environment->handles().drop(env, unpack(packed));
}

Napi::Value construct_handle(const Napi::CallbackInfo& info) {
  if (Environment::of(info.Env()).constructing) return info.This();
  throw Error(ErrorKind::kType,
              "this class cannot be constructed: a native job returns its objects");
}

// While it lives, native code may construct a handle's object.
class Constructing {
 public:
  explicit Constructing(bool& flag) : flag_(flag) { flag_ = true; }
  ~Constructing() { flag_ = false; }

 private:
  bool& flag_;
};

HandleKey key_of_this(const Napi::CallbackInfo& info, HandleKind kind) {
  const Environment::HandleClass& expected = Environment::of(info.Env()).handle_class(kind);
  const Napi::Value self = info.This();
  bool tagged = false;
  if (self.IsObject()) {
    const napi_status status = napi_check_object_type_tag(info.Env(), self, &expected.tag, &tagged);
    tagged = tagged && status == napi_ok;
    if constexpr (seeded(Defect::kTypeTagUnchecked)) tagged = true;
  }
  void* packed = nullptr;
  if (!tagged || napi_unwrap(info.Env(), self, &packed) != napi_ok) {
    throw Error(ErrorKind::kType, std::string("expected `this` to be a ") + expected.name +
                                      " of this environment, received another value");
  }
  return unpack(packed);
}

}  // namespace

HandleKey HandleTable::add(Napi::Env env, std::shared_ptr<void> core, int64_t bytes) {
  if (free_.empty()) {
    slots_.emplace_back();
    free_.reserve(slots_.capacity());  // drop() must not allocate
    free_.push_back(static_cast<uint32_t>(slots_.size() - 1));
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  Slot& slot = slots_[index];
  slot.state = State::kLive;
  slot.core = std::move(core);
  slot.bytes = bytes;
  report_bytes(env, bytes);
  return {index, slot.generation};
}

std::shared_ptr<void> HandleTable::live(HandleKey key, const char* name) const {
  const Slot& slot = slots_.at(key.slot);
  const bool is_live = slot.generation == key.generation && slot.state == State::kLive;
  if (!is_live && !seeded(Defect::kUseAfterDispose)) {
    throw Error("disposed", std::string("expected a live ") + name + ", received a disposed one");
  }
  return slot.core;
}

std::shared_ptr<void> HandleTable::begin_close(HandleKey key) {
  Slot& slot = slots_.at(key.slot);
  if (slot.generation != key.generation || slot.state != State::kLive) return nullptr;
  slot.state = State::kClosing;
  return std::move(slot.core);
}

bool HandleTable::closing(HandleKey key) const {
  const Slot& slot = slots_.at(key.slot);
  return slot.generation == key.generation && slot.state == State::kClosing;
}

void HandleTable::finish_close(Napi::Env env, HandleKey key) noexcept {
  if (!closing(key)) return;
  Slot& slot = slots_[key.slot];
  slot.state = State::kClosed;
  forget_bytes(env, slot);
}

void HandleTable::drop(napi_env env, HandleKey key) noexcept {
  if (key.slot >= slots_.size()) return;
  Slot& slot = slots_[key.slot];
  if (slot.generation != key.generation || slot.state == State::kFree) return;
  slot.core.reset();
  forget_bytes(env, slot);
  slot.state = State::kFree;
  if (++slot.generation == 0) slot.generation = 1;
  free_.push_back(key.slot);
}

void HandleTable::forget_bytes(napi_env env, Slot& slot) noexcept {
  if (slot.bytes != 0) report_bytes(env, -slot.bytes);
  slot.bytes = 0;
}

void define_handle_class(Napi::Object exports, HandleKind kind, const char* name,
                         const std::vector<HandleMethod>& methods) {
  const Napi::Env env = exports.Env();
  std::vector<napi_property_descriptor> properties;
  for (const HandleMethod& method : methods) {
    properties.push_back({method.name, nullptr, method.callback, nullptr, nullptr, nullptr,
                          napi_default_method, nullptr});
  }
  napi_value constructor = nullptr;
  napi_status status = napi_define_class(env, name, NAPI_AUTO_LENGTH, entry<construct_handle>,
                                         nullptr, 0, nullptr, &constructor);
  NAPI_THROW_IF_FAILED_VOID(env, status);
  // Not as the class's own methods, whose `this` V8 checks with a message of its own.
  const Napi::Value prototype = Napi::Object(env, constructor).Get("prototype");
  status = napi_define_properties(env, prototype, properties.size(), properties.data());
  NAPI_THROW_IF_FAILED_VOID(env, status);
  Environment::HandleClass& handle_class = Environment::of(env).handle_class(kind);
  handle_class.name = name;
  handle_class.constructor = Napi::Persistent(Napi::Function(env, constructor));
  exports.Set(name, Napi::Function(env, constructor));
}

Napi::Value make_handle(Napi::Env env, HandleKind kind, std::shared_ptr<void> core, int64_t bytes) {
  Environment& environment = Environment::of(env);
  Environment::HandleClass& handle_class = environment.handle_class(kind);
  Napi::Object object = [&] {
    const Constructing guard(environment.constructing);
    return handle_class.constructor.New({});
  }();
  NAPI_THROW_IF_FAILED(env, napi_type_tag_object(env, object, &handle_class.tag), Napi::Value());
  const HandleKey key = environment.handles().add(env, std::move(core), bytes);
  const napi_status status = napi_wrap(env, object, pack(key), finalize_handle,
                                       reinterpret_cast<void*>(environment.id()), nullptr);
  if (status != napi_ok) environment.handles().drop(env, key);
  NAPI_THROW_IF_FAILED(env, status, Napi::Value());
  return object;
}

std::shared_ptr<void> live_core(const Napi::CallbackInfo& info, HandleKind kind) {
  Environment& environment = Environment::of(info.Env());
  return environment.handles().live(key_of_this(info, kind), environment.handle_class(kind).name);
}

Napi::Value dispose_handle(const Napi::CallbackInfo& info, HandleKind kind) {
  const Napi::Env env = info.Env();
  const HandleKey key = key_of_this(info, kind);
  HandleTable& handles = Environment::of(env).handles();
  if constexpr (seeded(Defect::kSecondDisposeThrows)) handles.live(key, "handle");
  // The value leaves the table with this call and is released on the lane, where the jobs called
  // before have dropped theirs.
  std::shared_ptr<void> core = handles.begin_close(key);
  // An ending environment has dropped its jobs: nothing is left to wait for.
  if (Environment::of(env).closing() || seeded(Defect::kDisposeImmediate)) {
    core.reset();
    handles.finish_close(env, key);
    const Napi::Promise::Deferred done = Napi::Promise::Deferred::New(env);
    done.Resolve(env.Undefined());
    return done.Promise();
  }
  const auto finish = [key](Napi::Env own, std::monostate) -> Napi::Value {
    Environment::of(own).handles().finish_close(own, key);
    return own.Undefined();
  };
  return schedule(
      env, 0, env.Undefined(),
      [core = std::move(core)](const CancelToken&, const ReportProgress&) mutable {
        core.reset();
        fault(Stage::kRelease);
      },
      finish);
}

}  // namespace simgpt
