// Every name JavaScript can call, on one screen.
#include <napi.h>

#include <ATen/ATen.h>

namespace {
Napi::Value Probe(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), at::ones({2, 2}).sum().item<double>());
}
}  // namespace

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("probe", Napi::Function::New(env, Probe));
  return exports;
}

NODE_API_MODULE(simgpt, Init)
