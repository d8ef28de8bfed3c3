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

class AverageWrap : public Napi::ObjectWrap<AverageWrap> {
 public:
  explicit AverageWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<AverageWrap>(info) {}

  static std::shared_ptr<optim::Average> of(const Napi::Value& value) {
    if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(Environment::of(value.Env()).average_class.Value()))
      throw error(ErrorKind::Binding, "expected an average");
    return Unwrap(value.As<Napi::Object>())->average;
  }

  std::shared_ptr<optim::Average> average;
};

double to_number(const Napi::Object& object, const char* key) { return object.Get(key).As<Napi::Number>().DoubleValue(); }

optim::Clip to_clip(const std::string& name) {
  if (name == "none") return optim::Clip::None;
  if (name == "norm") return optim::Clip::Norm;
  if (name == "value") return optim::Clip::Value;
  if (name == "adaptive") return optim::Clip::Adaptive;
  throw error(ErrorKind::Binding, "expected a way to clip but got \"", name, "\"");
}

Queue::Resolve nothing() {
  return [](Napi::Env env) { return env.Undefined(); };
}

// createOptimizer(kind, [{parameters: [[name, handle]], learningRateScale, weightDecay, centralize, adaptiveClip, orthogonalize}], options,
//                 keepSlowWeights)
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
    group.learning_rate_scale = to_number(object, "learningRateScale");
    group.weight_decay = to_number(object, "weightDecay");
    group.centralize = object.Get("centralize").As<Napi::Boolean>();
    group.adaptive_clip = object.Get("adaptiveClip").As<Napi::Boolean>();
    group.orthogonalize = object.Get("orthogonalize").As<Napi::Boolean>();
    groups.push_back(std::move(group));
  }
  const auto object = Environment::of(info.Env()).optimizer_class.New({});
  auto& optimizer = OptimizerWrap::Unwrap(object)->optimizer;
  optimizer = optim::create_optimizer(kind, std::move(groups), to_options(kind, info[2]));
  if (info[3].As<Napi::Boolean>()) optimizer->keep_slow_weights();
  return object;
}

Napi::Value step(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [optimizer = OptimizerWrap::of(info[0]), rate = info[1].As<Napi::Number>().DoubleValue()] {
        optimizer->step(rate);
        return nothing();
      });
}

// optimizerUpdate(optimizer, {learningRate, gradientScale, clip, clipLimit, average | null, averageDecay}) → Promise<[norm, applied]>
Napi::Value update(const Napi::CallbackInfo& info) {
  const auto object = info[1].As<Napi::Object>();
  optim::Update request;
  request.learning_rate = to_number(object, "learningRate");
  request.gradient_scale = to_number(object, "gradientScale");
  request.clip = to_clip(to_string(object.Get("clip"), "clip"));
  request.clip_limit = to_number(object, "clipLimit");
  request.average_decay = to_number(object, "averageDecay");
  const auto average = object.Get("average").IsNull() ? nullptr : AverageWrap::of(object.Get("average"));
  return Environment::of(info.Env()).engine.submit(info.Env(), 0, [optimizer = OptimizerWrap::of(info[0]), request, average]() mutable {
    request.average = average.get();
    return Queue::Resolve([result = optimizer->update(request)](Napi::Env env) -> Napi::Value {
      auto array = Napi::Array::New(env, 2);
      array.Set(0u, Napi::Number::New(env, result.gradient_norm));
      array.Set(1u, Napi::Boolean::New(env, result.applied));
      return array;
    });
  });
}

// optimizerAscend(optimizer, {rho, adaptive, eta, gradientScale}) → Promise<number>: the norm, not finite where nothing was moved
Napi::Value ascend(const Napi::CallbackInfo& info) {
  const auto object = info[1].As<Napi::Object>();
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [optimizer = OptimizerWrap::of(info[0]), rho = to_number(object, "rho"), eta = to_number(object, "eta"),
                                     adaptive = object.Get("adaptive").As<Napi::Boolean>().Value(),
                                     scale = to_number(object, "gradientScale")] {
        return Queue::Resolve([norm = optimizer->ascend(rho, adaptive, eta, scale)](Napi::Env env) { return Napi::Number::New(env, norm); });
      });
}

// optimizerDescend(optimizer) → Promise<void>
Napi::Value descend(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).engine.submit(info.Env(), 0, [optimizer = OptimizerWrap::of(info[0])] {
    optimizer->descend();
    return nothing();
  });
}

// optimizerPullSlowWeights(optimizer, alpha) → Promise<void>
Napi::Value pull_slow_weights(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [optimizer = OptimizerWrap::of(info[0]), alpha = info[1].As<Napi::Number>().DoubleValue()] {
        optimizer->pull_slow_weights(alpha);
        return nothing();
      });
}

Napi::Value zero_grad(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).engine.submit(info.Env(), 0, [optimizer = OptimizerWrap::of(info[0])] {
    optimizer->zero_grad();
    return nothing();
  });
}

// optimizerKeepGradients(optimizer, keep) → Promise<void>
Napi::Value keep_gradients(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [optimizer = OptimizerWrap::of(info[0]), keep = info[1].As<Napi::Boolean>().Value()] {
        optimizer->keep_gradients(keep);
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

// createAverage(shadow[], source[])
Napi::Value create_average(const Napi::CallbackInfo& info) {
  const auto object = Environment::of(info.Env()).average_class.New({});
  AverageWrap::Unwrap(object)->average = std::make_shared<optim::Average>(to_tensors(info[0], "shadow"), to_tensors(info[1], "source"));
  return object;
}

// averageUpdate(average, decay) → Promise<void>
Napi::Value average_update(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [average = AverageWrap::of(info[0]), decay = info[1].As<Napi::Number>().DoubleValue()] {
        average->update(decay);
        return nothing();
      });
}

}  // namespace

void register_optimizers(Napi::Env env, Napi::Object exports) {
  Environment::of(env).average_class = Napi::Persistent(AverageWrap::DefineClass(env, "NativeAverage", {}));
  Environment::of(env).optimizer_class = Napi::Persistent(OptimizerWrap::DefineClass(env, "NativeOptimizer", {}));
  export_function<create_optimizer>(env, exports, "createOptimizer");
  export_function<step>(env, exports, "optimizerStep");
  export_function<update>(env, exports, "optimizerUpdate");
  export_function<ascend>(env, exports, "optimizerAscend");
  export_function<descend>(env, exports, "optimizerDescend");
  export_function<pull_slow_weights>(env, exports, "optimizerPullSlowWeights");
  export_function<create_average>(env, exports, "createAverage");
  export_function<average_update>(env, exports, "averageUpdate");
  export_function<zero_grad>(env, exports, "optimizerZeroGrad");
  export_function<keep_gradients>(env, exports, "optimizerKeepGradients");
  export_function<clip_grad_norm>(env, exports, "optimizerClipGradNorm");
  export_function<state>(env, exports, "optimizerState");
  export_function<load_state>(env, exports, "optimizerLoadState");
  export_function<ema_update>(env, exports, "emaUpdate");
}

}  // namespace trivium::bindings
