#include "train/from_settings.h"

#include "base/errors.h"
#include "config/base_rate.h"

namespace trellis {

TrellisShape shape_from(const Settings& settings, std::int64_t vocabulary) {
  TrellisShape shape;
  shape.levels = settings.model.levels;
  shape.hidden = settings.model.hidden;
  shape.outputs = settings.model.outputs;
  shape.embedding = settings.model.embedding;
  shape.kernel = settings.model.kernel;
  shape.dilations.assign(settings.model.dilations.begin(), settings.model.dilations.end());
  shape.classifier = settings.model.task == TaskKind::classifier;
  shape.vocabulary = shape.classifier ? 1 : vocabulary;
  shape.experts = settings.model.experts;
  shape.groups = settings.model.groups;
  shape.injection_every = settings.model.injection_every;
  shape.cutoffs = settings.model.cutoffs;
  shape.weight_norm = settings.model.weight_norm;
  shape.auxiliary_every = settings.auxiliary.every;
  shape.validate();
  return shape;
}

Mesh mesh_from(const Settings& settings, int ranks) {
  return make_mesh(ranks, settings.mesh.data, settings.mesh.pipeline, settings.mesh.vocabulary, settings.model.levels);
}

DropoutRates dropout_from(const Settings& settings) {
  return {.embedding = settings.dropout.embedding,
          .input = settings.dropout.input,
          .hidden = settings.dropout.hidden,
          .output = settings.dropout.output,
          .weight = settings.dropout.weight,
          .latent = settings.dropout.latent};
}

Objective objective_from(const Settings& settings) {
  return {.auxiliary_weight = settings.auxiliary.weight, .activation = settings.penalty.activation, .slowness = settings.penalty.slowness};
}

InitialValues initial_values_from(const Settings& settings) {
  return {.kernel_deviation = settings.model.kernel_std, .embedding_range = settings.model.embedding_range};
}

OptimizerRule optimizer_rule_from(const Settings& settings) {
  OptimizerRule rule;
  switch (settings.optimizer.name) {
    case OptimizerName::adam: rule.kind = OptimizerRule::Kind::adam; break;
    case OptimizerName::sgd: rule.kind = OptimizerRule::Kind::sgd; break;
    case OptimizerName::lamb: rule.kind = OptimizerRule::Kind::lamb; break;
  }
  rule.weight_decay = settings.optimizer.weight_decay;
  rule.clip = settings.optimizer.clip;
  rule.beta1 = settings.optimizer.beta1;
  rule.beta2 = settings.optimizer.beta2;
  rule.epsilon = settings.optimizer.epsilon;
  return rule;
}

LearningRateSchedule schedule_from(const Settings& settings) {
  LearningRateSchedule schedule;
  schedule.base = base_rate(settings);
  schedule.warmup_steps = settings.schedule.warmup;
  schedule.milestones = settings.schedule.milestones;
  schedule.factor = settings.schedule.factor;
  schedule.floor = settings.schedule.floor;
  schedule.decay = settings.schedule.decay;
  schedule.decay_steps = settings.schedule.decay_steps;
  return schedule;
}

Keep keep_from(const Settings& settings) {
  const Recompute& recompute = settings.memory.recompute;
  switch (recompute.kind) {
    case Recompute::Kind::gates: return Keep::states;
    case Recompute::Kind::levels: return Keep::states_of_every(recompute.levels);
    default: return Keep::gates;
  }
}

at::ScalarType number_type_from(const Settings& settings) {
  return settings.train.precision == Precision::float64 ? at::kDouble : at::kFloat;
}

at::TensorOptions tensor_options_from(const Settings& settings, at::Device device) {
  if (settings.train.precision == Precision::tf32 && device.is_cpu()) {
    throw ConfigError("train.precision is tf32, but this run computes on CPUs, which have no such numbers", "train.precision",
                      "set train.precision = float32, or train on GPUs");
  }
  return at::TensorOptions(number_type_from(settings)).device(device);
}

bool trains_with_tf32(const Settings& settings) {
  return settings.train.precision == Precision::tf32 || settings.train.precision == Precision::bf16;
}

bool bits_depend_on_threads(const Settings& settings) { return settings.model.experts > 0 || settings.train.precision == Precision::bf16; }

std::optional<at::ScalarType> activation_type_from(const Settings& settings) {
  return settings.train.precision == Precision::bf16 ? std::optional(at::kBFloat16) : std::nullopt;
}

}  // namespace trellis
