// Optimizers and exponential moving averages, on the engine thread.
#include "bindings/convert.h"
#include "bindings/environment.h"
#include "bindings/register.h"
#include "core/error.h"
#include "optim/optimizer.h"

namespace trivium::bindings {
namespace {

class OptimizerWrap : public Napi::ObjectWrap<OptimizerWrap> {
 public:
  explicit OptimizerWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<OptimizerWrap>(info) {}

  static std::shared_ptr<optim::Optimizer> of(const Napi::Value& value) {
    if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(Environment::of(value.Env()).optimizer_class.Value()))
      throw error(ErrorKind::Binding, "expected an optimizer");
    return Unwrap(value.As<Napi::Object>())->optimizer;
  }

  std::shared_ptr<optim::Optimizer> optimizer;
};

Queue::Resolve nothing() {
  return [](Napi::Env env) { return env.Undefined(); };
}

// createOptimizer(kind, [{parameters: [[name, handle]], learningRateScale, weightDecay}], options)
Napi::Value create_optimizer(const Napi::CallbackInfo& info) {
  const std::string kind = to_string(info[0], "optimizer");
  const auto list = info[1].As<Napi::Array>();
  std::vector<optim::ParameterGroup> groups;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const auto object = list.Get(i).As<Napi::Object>();
    optim::ParameterGroup group;
    for (auto& [name, tensor] : to_named_tensors(object.Get("parameters"), "parameters")) {
      group.names.push_back(name);
      group.parameters.push_back(tensor);
    }
    group.learning_rate_scale = object.Get("learningRateScale").As<Napi::Number>().DoubleValue();
    group.weight_decay = object.Get("weightDecay").As<Napi::Number>().DoubleValue();
    groups.push_back(std::move(group));
  }
  const auto object = Environment::of(info.Env()).optimizer_class.New({});
  OptimizerWrap::Unwrap(object)->optimizer = optim::create_optimizer(kind, std::move(groups), to_options(kind, info[2]));
  return object;
}

Napi::Value step(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [optimizer = OptimizerWrap::of(info[0]), rate = info[1].As<Napi::Number>().DoubleValue()] {
        optimizer->step(rate);
        return nothing();
      });
}

Napi::Value zero_grad(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).engine.submit(info.Env(), 0, [optimizer = OptimizerWrap::of(info[0])] {
    optimizer->zero_grad();
    return nothing();
  });
}

Napi::Value clip_grad_norm(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [optimizer = OptimizerWrap::of(info[0]), limit = info[1].As<Napi::Number>().DoubleValue()] {
        return Queue::Resolve([norm = optimizer->clip_grad_norm(limit)](Napi::Env env) { return Napi::Number::New(env, norm); });
      });
}

// The state as copies: the snapshot that is being written must not change under the next step.
Napi::Value state(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).engine.submit(info.Env(), 0, [optimizer = OptimizerWrap::of(info[0])] {
    NamedTensors tensors;
    for (const auto& [name, tensor] : optimizer->state()) tensors.emplace_back(name, tensor.clone());
    return Queue::Resolve([tensors](Napi::Env env) { return from_named_tensors(env, tensors); });
  });
}

Napi::Value load_state(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [optimizer = OptimizerWrap::of(info[0]), tensors = to_named_tensors(info[1], "optimizer state")] {
        optimizer->load_state({tensors.begin(), tensors.end()});
        return nothing();
      });
}

// emaUpdate(shadow[], source[], decay)
Napi::Value ema_update(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [shadow = to_tensors(info[0], "shadow"), source = to_tensors(info[1], "source"),
                                     decay = info[2].As<Napi::Number>().DoubleValue()] {
        optim::ema_update(shadow, source, decay);
        return nothing();
      });
}

}  // namespace

void register_optimizers(Napi::Env env, Napi::Object exports) {
  Environment::of(env).optimizer_class = Napi::Persistent(OptimizerWrap::DefineClass(env, "NativeOptimizer", {}));
  export_function<create_optimizer>(env, exports, "createOptimizer");
  export_function<step>(env, exports, "optimizerStep");
  export_function<zero_grad>(env, exports, "optimizerZeroGrad");
  export_function<clip_grad_norm>(env, exports, "optimizerClipGradNorm");
  export_function<state>(env, exports, "optimizerState");
  export_function<load_state>(env, exports, "optimizerLoadState");
  export_function<ema_update>(env, exports, "emaUpdate");
}

}  // namespace trivium::bindings
