// Every setting of a training run as plain values: settings.model.levels, settings.train.window, ... The fields, their
// defaults, units and meanings are declared once, in settings.def; load them with settings_io.h, check them with
// settings_validate.h.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/learning_rate.h"
#include "plan/mesh.h"

namespace trellis {

// The words that a file or command line uses for these are in setting_values.cpp.
enum class Precision { float32, float64, bf16, tf32 };
enum class DeviceChoice { automatic, cpu, cuda };
enum class TaskKind { language_model, classifier };
enum class OptimizerName { adam, sgd, lamb };
enum class Averaging { never, always, plateau };
// What the backward pass computes again instead of keeping it.
struct Recompute {
  enum class Kind { none, gates, levels } kind = Kind::none;
  std::int64_t levels = 1;  // of Kind::levels: h and c are kept at the input of every so many levels
  bool operator==(const Recompute&) const = default;
};
// A number, or 0 for "auto": chosen by the program.
struct AutomaticCount {
  std::int64_t count = 0;
  bool automatic() const { return count == 0; }
  bool operator==(const AutomaticCount&) const = default;
};

// struct ModelSettings { int levels = 16; ... }; and so on, one struct a section.
#define SECTION(Type, name, title) struct Type {
#define SETTING(type, name, default_value, limits, unit, on_resume, meaning) type name = default_value;
#define END_SECTION(Type)                       \
  bool operator==(const Type&) const = default; \
  }                                             \
  ;
#include "config/settings.def"
#undef SECTION
#undef SETTING
#undef END_SECTION

struct Settings {
#define SECTION(Type, name, title) Type name;
#define SETTING(type, name, default_value, limits, unit, on_resume, meaning)
#define END_SECTION(Type)
#include "config/settings.def"
#undef SECTION
#undef SETTING
#undef END_SECTION
  bool operator==(const Settings&) const = default;
};

}  // namespace trellis
