#include "tests/config/settings_helpers.h"

#include <fstream>
#include <limits>
#include <vector>

#include "config/settings_table.h"
#include "tests/scratch_folder.h"

namespace trellis {
namespace {

// A setting moved off its default, within its limits.
void change(bool& field) { field = !field; }
void change(Precision& field) { field = Precision::float64; }
void change(DeviceChoice& field) { field = DeviceChoice::cuda; }
void change(TaskKind& field) { field = TaskKind::classifier; }
void change(Averaging& field) { field = Averaging::plateau; }
void change(OptimizerName& field) { field = OptimizerName::sgd; }
void change(Recompute& field) { field = {Recompute::Kind::levels, 8}; }
void change(AutomaticCount& field) { field.count = 4; }
void change(VocabularyLayout& field) { field = {VocabularyLayout::Kind::ranks, 2}; }
void change(RateDecay& field) { field = RateDecay::cosine; }
void change(BatchRule& field) { field = BatchRule::linear; }
void change(double& field) { field = field / 3 + 0.1; }
void change(std::uint64_t& field) { field = std::numeric_limits<std::uint64_t>::max(); }
template <class T>
void change(T& field) {
  field += 7;
}
template <class T>
void change(std::vector<T>& field) {
  field = {1, 5, 900};
}

}  // namespace

Settings everything_changed() {
  Settings settings;
  for_each_setting(settings, [](const SettingInfo&, auto& field) { change(field); });
  return settings;
}

std::filesystem::path write_file(const std::string& name, const std::string& text) {
  const std::filesystem::path path = scratch_folder() / name;
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

}  // namespace trellis
