// Every name JavaScript can call, on one screen. Their types are in ts/native.ts.
#include "boundary/checkpoint_functions.h"
#include "boundary/encoder_object.h"
#include "boundary/entry.h"
#include "boundary/environment.h"
#include "boundary/functions.h"
#include "boundary/loss_functions.h"
#include "boundary/tokenizer_object.h"
#include "boundary/training_object.h"
#if defined(SIMGPT_TEST_HOOKS)
#include "boundary/test_functions.h"
#endif

namespace simgpt {

static Napi::Object define_exports(Napi::Env env, Napi::Object exports) {
  Environment::open(env);
  export_function<build_info>(exports, "buildInfo");
  export_function<cpu_info>(exports, "cpuInfo");
  export_function<set_threads>(exports, "setThreads");
  export_function<cancel_job>(exports, "cancel");
  export_function<set_error_class>(exports, "setErrorClass");
  export_function<inspect_safetensors>(exports, "inspectSafetensors");
  export_function<read_tensor>(exports, "readTensor");
  export_function<copy_safetensors_files>(exports, "copySafetensors");
  export_function<compute_loss_of>(exports, "computeLoss");
  define_encoder(exports);    // NativeEncoder, loadEncoder
  define_tokenizer(exports);  // NativeTokenizer, loadTokenizer
  define_training(exports);   // NativeTraining, loadTraining
#if defined(SIMGPT_TEST_HOOKS)
  define_test_functions(exports);
#endif
  return exports;
}

}  // namespace simgpt

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  return simgpt::define_exports(env, exports);
}

NODE_API_MODULE(simgpt, Init)
