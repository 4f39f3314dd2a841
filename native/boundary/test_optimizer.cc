#include "test_optimizer.h"

#include <ATen/ATen.h>

#include "../train/adamw.h"
#include "arguments.h"
#include "entry.h"
#include "environment.h"
#include "loss_spec.h"
#include "results.h"
#include "training_spec.h"

namespace simgpt {

namespace {

struct Request {
  OwnedNumbers values, gradients, learning_rates;
  int64_t decaying = 0, copies = 1;
  StepRequest step;
};

struct Stepped {
  at::Tensor values, norms;
};

Stepped run(const Request& request) {
  const auto count = static_cast<int64_t>(request.values.size());
  const auto steps = static_cast<int64_t>(request.learning_rates.size());
  const at::Tensor values = matrix_of(request.values, 1, "values").repeat({request.copies, 1});
  const at::Tensor gradients = matrix_of(request.gradients, steps, "gradients");
  // [values, copies], so that both parameters are rows of one matrix
  const at::Tensor all = values.t().contiguous();
  const at::Tensor grads = at::zeros_like(all);
  const auto part = [&](const at::Tensor& of, bool decays) {
    return decays ? of.narrow(0, 0, request.decaying)
                  : of.narrow(0, request.decaying, count - request.decaying);
  };
  std::vector<Parameter> parameters;
  for (const bool decays : {true, false}) {
    parameters.push_back(
        {decays ? "weight" : "bias", part(all, decays), part(grads, decays), true, decays});
  }
  AdamW optimizer(parameters, request.step.options);
  Stepped stepped;
  stepped.norms = at::empty({steps}, at::kDouble);
  for (int64_t step = 0; step < steps; ++step) {
    grads.copy_(gradients[step].unsqueeze(1).expand_as(grads));
    const double rate = request.learning_rates.wide[static_cast<size_t>(step)];
    stepped.norms.data_ptr<double>()[step] =
        optimizer.step(rate, request.step.max_norm).gradient_norm;
  }
  stepped.values = all.flatten();
  return stepped;
}

}  // namespace

Napi::Value adamw_steps(const Napi::CallbackInfo& info) {
  const Fields fields(info[2], "options");
  Request request;
  request.decaying = fields.integer("decaying", 1, 1 << 20);
  request.copies = fields.integer("copies", 1, 1 << 24);
  request.step = step_argument(info[2]);
  const int64_t number = job_number_argument(info[3]);
  request.learning_rates = numbers_argument(fields.value("learningRates"), "learningRates");
  request.values = numbers_argument(info[0], "values");
  request.gradients = numbers_argument(info[1], "gradients");
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [request = std::move(request)](const CancelToken&, const ReportProgress&) {
        return run(request);
      },
      [](Napi::Env env, Stepped&& stepped) -> Napi::Value {
        Napi::Object object = Napi::Object::New(env);
        object.Set("values", to_typed_array(env, stepped.values));
        object.Set("norms", to_typed_array(env, stepped.norms));
        return object;
      });
}

}  // namespace simgpt
