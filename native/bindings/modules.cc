// Networks: made and run on the engine thread.
#include <map>
#include <set>
#include <sstream>

#include "bindings/convert.h"
#include "bindings/environment.h"
#include "bindings/module.h"
#include "bindings/register.h"
#include "core/device.h"
#include "core/error.h"
#include "nn/freeze.h"
#include "nn/statistics.h"
#include "nn/tree_mutex.h"
#include "nn/blocks/hidden_mix.h"
#include "nn/cost.h"

namespace trivium::bindings {

ModuleWrap::ModuleWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ModuleWrap>(info) {}

ModuleWrap& ModuleWrap::of(const Napi::Value& value, const char* what) {
  const auto& environment = Environment::of(value.Env());
  if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(environment.module_class.Value()))
    throw error(ErrorKind::Binding, "expected a network for ", what);
  auto& wrap = *Unwrap(value.As<Napi::Object>());
  if (!wrap.module) throw error(ErrorKind::Binding, what, " was disposed before this call");
  return wrap;
}

Napi::Value ModuleWrap::make(Napi::Env env, std::shared_ptr<torch::nn::Module> module) {
  const auto object = Environment::of(env).module_class.New({});
  Unwrap(object)->module = std::move(module);
  return object;
}

std::shared_ptr<nn::Module> ModuleWrap::mapping() const {
  if (auto found = std::dynamic_pointer_cast<nn::Module>(module)) return found;
  throw error(ErrorKind::Binding, "expected a backbone or a head but got a classifier: use classify");
}

std::shared_ptr<nn::Backbone> ModuleWrap::backbone() const {
  if (auto found = std::dynamic_pointer_cast<nn::Backbone>(module)) return found;
  throw error(ErrorKind::Binding, "expected a backbone but got another kind of network");
}

std::shared_ptr<nn::Classifier> ModuleWrap::classifier() const {
  if (auto found = std::dynamic_pointer_cast<nn::Classifier>(module)) return found;
  throw error(ErrorKind::Binding, "expected a classifier (backbone and head) but got another kind of network");
}

namespace {

Queue::Resolve nothing() {
  return [](Napi::Env env) { return env.Undefined(); };
}

Queue::Resolve module_result(std::shared_ptr<torch::nn::Module> module) {
  return [module = std::move(module)](Napi::Env env) { return ModuleWrap::make(env, module); };
}

Queue::Resolve tensor_result(torch::Tensor tensor) {
  return [tensor = std::move(tensor)](Napi::Env env) { return wrap_tensor(env, tensor); };
}

// createBackbone(name, options) → Promise<module>
Napi::Value create_backbone(const Napi::CallbackInfo& info) {
  const std::string name = to_string(info[0], "backbone");
  return Environment::of(info.Env()).engine.submit(info.Env(), kModeGrad, [name, options = to_options(name, info[1])] {
    return module_result(nn::create_backbone(name, options));
  });
}

// createHead(kind, options) → Promise<module>
Napi::Value create_head(const Napi::CallbackInfo& info) {
  const std::string kind = to_string(info[0], "head");
  return Environment::of(info.Env()).engine.submit(info.Env(), kModeGrad, [kind, options = to_options(kind + " head", info[1])] {
    return module_result(nn::create_head(kind, options));
  });
}

// createClassifier(backbone, head | null, logitScale, mean, std) → Promise<module>
Napi::Value create_classifier(const Napi::CallbackInfo& info) {
  auto backbone = ModuleWrap::of(info[0], "backbone").backbone();
  auto head = info[1].IsNull() ? nullptr : ModuleWrap::of(info[1], "head").mapping();
  const double scale = info[2].As<Napi::Number>().DoubleValue();
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [backbone, head, scale, mean = to_numbers(info[3], "mean"), std = to_numbers(info[4], "std")] {
        auto classifier = std::make_shared<nn::Classifier>(backbone, head, scale, mean, std);
        classifier->to(backbone->parameters().front().device());
        return module_result(classifier);
      });
}

enum class Step { Forward, Features, Pool };

void expect_images(const torch::Tensor& images) {
  if (images.dim() == 4 && images.size(1) == 3 && images.is_floating_point()) return;
  throw error(ErrorKind::Shape, "expected images [N, 3, H, W] of a floating type but got ", images.sizes(), " of ", images.scalar_type());
}

template <Step step>
Napi::Value run(const Napi::CallbackInfo& info) {
  auto& wrap = ModuleWrap::of(info[0], "network");
  auto module = wrap.mapping();
  auto backbone = step == Step::Forward ? std::dynamic_pointer_cast<nn::Backbone>(module) : wrap.backbone();
  return Environment::of(info.Env())
      .engine.submit(info.Env(), to_mode(info[2]), [module, backbone, input = unwrap_tensor(info[1], "input")] {
        if (backbone && step != Step::Pool) expect_images(input);
        if constexpr (step == Step::Forward) return tensor_result(module->forward(input));
        if constexpr (step == Step::Features) return tensor_result(backbone->forward_features(input));
        return tensor_result(backbone->pool(input));
      });
}

// moduleForwardMixed(module, images, mode, {part, lambda, partners | null, own | null}) → Promise<{output, parts: number[][]}>
Napi::Value forward_mixed(const Napi::CallbackInfo& info) {
  const auto o = info[3].As<Napi::Object>();
  nn::HiddenMix mix{o.Get("part").As<Napi::Number>().Int64Value(), o.Get("lambda").As<Napi::Number>().DoubleValue(), {}, {}};
  if (!o.Get("partners").IsNull()) mix.partners = unwrap_tensor(o.Get("partners"), "partners");
  if (!o.Get("own").IsNull()) mix.own = unwrap_tensor(o.Get("own"), "own");
  return Environment::of(info.Env())
      .engine.submit(info.Env(), to_mode(info[2]),
                     [module = ModuleWrap::of(info[0], "network").backbone(), images = unwrap_tensor(info[1], "images"), mix] {
                       expect_images(images);
                       const nn::HiddenMixScope scope(mix);
                       auto output = module->forward(images);
                       const auto count = static_cast<int64_t>(scope.parts().size());
                       if (mix.part >= count)
                         throw error(ErrorKind::Config, "hidden mixing: expected a part below ", count, ", the parts of this network, but got ",
                                     mix.part);
                       return Queue::Resolve([output, parts = scope.parts()](Napi::Env env) -> Napi::Value {
                         auto shapes = Napi::Array::New(env, parts.size());
                         for (uint32_t i = 0; i < parts.size(); i++) shapes.Set(i, from_shape(env, parts[i]));
                         auto result = Napi::Object::New(env);
                         result.Set("output", wrap_tensor(env, output));
                         result.Set("parts", shapes);
                         return result;
                       });
                     });
}

// moduleClassify(module, images, mode) → Promise<[logits, probabilities, features]>
Napi::Value classify(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), to_mode(info[2]),
                     [module = ModuleWrap::of(info[0], "network").classifier(), images = unwrap_tensor(info[1], "images")] {
                       return Queue::Resolve([outputs = module->forward(images)](Napi::Env env) -> Napi::Value {
                         auto array = Napi::Array::New(env, outputs.size());
                         for (uint32_t i = 0; i < outputs.size(); i++) array.Set(i, wrap_tensor(env, outputs[i]));
                         return array;
                       });
                     });
}

// moduleTrain(module, mode): queued, so that it falls between the steps that were asked for before and after
Napi::Value train(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [module = ModuleWrap::of(info[0], "network").module, on = info[1].As<Napi::Boolean>().Value()] {
        nn::set_training(*module, on);
        return nothing();
      });
}

// moduleBeginStatistics(module, live) → Promise<number>: batch norms whose statistics are estimated anew
Napi::Value begin_statistics(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [module = ModuleWrap::of(info[0], "network").module, live = ModuleWrap::of(info[1], "network").module] {
        return Queue::Resolve([count = nn::begin_statistics(*module, *live)](Napi::Env env) {
          return Napi::Number::New(env, static_cast<double>(count));
        });
      });
}

// moduleEndStatistics(module, live) → Promise<void>
Napi::Value end_statistics(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [module = ModuleWrap::of(info[0], "network").module, live = ModuleWrap::of(info[1], "network").module] {
        nn::end_statistics(*module, *live);
        return nothing();
      });
}

Napi::Value named_parameters(const Napi::CallbackInfo& info) {
  NamedTensors tensors;
  const std::lock_guard<std::mutex> lock(nn::tree_mutex());
  for (const auto& entry : ModuleWrap::of(info[0], "network").module->named_parameters()) tensors.emplace_back(entry.key(), entry.value());
  return from_named_tensors(info.Env(), tensors);
}

Napi::Value named_buffers(const Napi::CallbackInfo& info) {
  NamedTensors tensors;
  for (const auto& entry : ModuleWrap::of(info[0], "network").module->named_buffers()) tensors.emplace_back(entry.key(), entry.value());
  return from_named_tensors(info.Env(), tensors);
}

void load_state(torch::nn::Module& module, const NamedTensors& state) {
  std::map<std::string, torch::Tensor> given(state.begin(), state.end());
  std::string missing, wrong;
  const auto own = nn::named_state(module);
  for (const auto& [name, tensor] : own) {
    const auto found = given.find(name);
    if (found == given.end()) {
      missing += (missing.empty() ? "" : ", ") + name;
    } else if (found->second.sizes() != tensor.sizes()) {
      std::ostringstream text;
      text << (wrong.empty() ? "" : "; ") << name << " expects " << tensor.sizes() << " but got " << found->second.sizes();
      wrong += text.str();
    }
  }
  std::set<std::string> known;
  for (const auto& entry : own) known.insert(entry.first);
  std::string surplus;
  for (const auto& [name, tensor] : given)
    if (!known.count(name)) surplus += (surplus.empty() ? "" : ", ") + name;
  if (!missing.empty() || !surplus.empty() || !wrong.empty())
    throw error(ErrorKind::Snapshot, "the weights do not fit this network.", missing.empty() ? "" : " Missing: " + missing + ".",
                surplus.empty() ? "" : " Not in the network: " + surplus + ".", wrong.empty() ? "" : " Other shapes: " + wrong + ".");
  const at::AutoGradMode no_grad(false);
  for (const auto& [name, tensor] : own) tensor.copy_(given.at(name));
}

// moduleLoadState(module, [[name, handle]]) → Promise<void>; all or nothing
Napi::Value load_state_dict(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [module = ModuleWrap::of(info[0], "network").module, state = to_named_tensors(info[1], "state")] {
        load_state(*module, state);
        return nothing();
      });
}

// moduleSetRequiresGrad(module, flag, prefix)
Napi::Value set_requires_grad(const Napi::CallbackInfo& info) {
  const bool flag = info[1].As<Napi::Boolean>();
  const std::string prefix = to_string(info[2], "prefix");
  const std::lock_guard<std::mutex> lock(nn::tree_mutex());
  for (auto& entry : ModuleWrap::of(info[0], "network").module->named_parameters())
    if (entry.key().rfind(prefix, 0) == 0) entry.value().set_requires_grad(flag);
  return info.Env().Undefined();
}

// moduleTo(module, device) → Promise<void>
Napi::Value to_device(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .engine.submit(info.Env(), 0, [module = ModuleWrap::of(info[0], "network").module, device = parse_device(to_string(info[1], "device"))] {
        module->to(device);
        return nothing();
      });
}

Napi::Object preprocessing_object(Napi::Env env, const nn::Preprocessing& preprocessing) {
  auto object = Napi::Object::New(env);
  object.Set("imageSize", Napi::Number::New(env, static_cast<double>(preprocessing.image_size)));
  auto mean = Napi::Array::New(env), std = Napi::Array::New(env);
  for (uint32_t i = 0; i < preprocessing.mean.size(); i++) mean.Set(i, preprocessing.mean[i]), std.Set(i, preprocessing.std[i]);
  object.Set("mean", mean);
  object.Set("std", std);
  object.Set("interpolation", preprocessing.interpolation);
  object.Set("cropFraction", preprocessing.crop_fraction);
  return object;
}

Napi::Value module_info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto& wrap = ModuleWrap::of(info[0], "network");
  auto object = Napi::Object::New(env);
  int64_t count = 0, trainable = 0;
  {
    const std::lock_guard<std::mutex> lock(nn::tree_mutex());
    for (const auto& parameter : wrap.module->parameters()) {
      count += parameter.numel();
      if (parameter.requires_grad()) trainable += parameter.numel();
    }
  }
  object.Set("parameterCount", Napi::Number::New(env, static_cast<double>(count)));
  object.Set("trainableParameterCount", Napi::Number::New(env, static_cast<double>(trainable)));
  if (const auto backbone = std::dynamic_pointer_cast<nn::Backbone>(wrap.module)) {
    object.Set("preprocessing", preprocessing_object(env, backbone->preprocessing()));
    object.Set("numFeatures", Napi::Number::New(env, static_cast<double>(backbone->num_features())));
  }
  return object;
}

Napi::Value dispose(const Napi::CallbackInfo& info) {
  ModuleWrap::of(info[0], "network").module.reset();
  return info.Env().Undefined();
}

Napi::Value list_backbones(const Napi::CallbackInfo& info) {
  auto array = Napi::Array::New(info.Env());
  for (const auto& entry : nn::backbones()) {
    auto object = Napi::Object::New(info.Env());
    object.Set("name", entry.name);
    object.Set("family", entry.family);
    object.Set("paper", entry.paper);
    object.Set("channelsLast", entry.channels_last);
    object.Set("preprocessing", preprocessing_object(info.Env(), entry.preprocessing));
    object.Set("weights", entry.weights);
    object.Set("license", entry.license);
    object.Set("aliasOf", entry.alias_of);
    array.Set(array.Length(), object);
  }
  return array;
}

// backboneCost(name) → Promise<{parameters, multiplyAdds}> of the network as it is made without options, for one image of its own size
Napi::Value backbone_cost(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).engine.submit(info.Env(), 0, [name = to_string(info[0], "backbone")] {
    return Queue::Resolve([cost = nn::backbone_cost(name)](Napi::Env env) -> Napi::Value {
      auto object = Napi::Object::New(env);
      object.Set("parameters", Napi::Number::New(env, static_cast<double>(cost.parameters)));
      object.Set("multiplyAdds", Napi::Number::New(env, static_cast<double>(cost.multiply_adds)));
      return object;
    });
  });
}

}  // namespace

void register_modules(Napi::Env env, Napi::Object exports) {
  Environment::of(env).module_class = Napi::Persistent(ModuleWrap::DefineClass(env, "NativeModule", {}));
  export_function<create_backbone>(env, exports, "createBackbone");
  export_function<create_head>(env, exports, "createHead");
  export_function<create_classifier>(env, exports, "createClassifier");
  export_function<run<Step::Forward>>(env, exports, "moduleForward");
  export_function<run<Step::Features>>(env, exports, "moduleForwardFeatures");
  export_function<run<Step::Pool>>(env, exports, "modulePool");
  export_function<classify>(env, exports, "moduleClassify");
  export_function<forward_mixed>(env, exports, "moduleForwardMixed");
  export_function<train>(env, exports, "moduleTrain");
  export_function<begin_statistics>(env, exports, "moduleBeginStatistics");
  export_function<end_statistics>(env, exports, "moduleEndStatistics");
  export_function<named_parameters>(env, exports, "moduleNamedParameters");
  export_function<named_buffers>(env, exports, "moduleNamedBuffers");
  export_function<load_state_dict>(env, exports, "moduleLoadState");
  export_function<set_requires_grad>(env, exports, "moduleSetRequiresGrad");
  export_function<to_device>(env, exports, "moduleTo");
  export_function<module_info>(env, exports, "moduleInfo");
  export_function<dispose>(env, exports, "moduleDispose");
  export_function<list_backbones>(env, exports, "listBackbones");
  register_adapters(env, exports);
  export_function<backbone_cost>(env, exports, "backboneCost");
}

}  // namespace trivium::bindings
