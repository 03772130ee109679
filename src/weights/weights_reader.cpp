#include "weights/weights_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>

#include "base/errors.h"

namespace trellis {
namespace {

constexpr std::size_t kMostProblemsTold = 20;

using checkpoint::shown;

bool is_number(SafetensorsDtype dtype) {
  return dtype == SafetensorsDtype::f64 || dtype == SafetensorsDtype::f32 || dtype == SafetensorsDtype::f16 || dtype == SafetensorsDtype::bf16;
}

}  // namespace

at::Tensor WeightsReader::read(const std::string& name, at::IntArrayRef shape) {
  const SafetensorsTensor& tensor = file_.tensor(name);
  if (at::IntArrayRef(tensor.shape) != shape) {
    add_problem(fmt::format("{} has the shape [{}], expected [{}]", shown(name), fmt::join(tensor.shape, ", "), fmt::join(shape, ", ")));
    return {};
  }
  if (!is_number(tensor.dtype)) {
    add_problem(fmt::format("{} is of type {}, expected F64, F32, F16 or BF16", shown(name), dtype_name(tensor.dtype)));
    return {};
  }
  const at::Tensor values = at::empty(shape, type_);
  const auto count = static_cast<std::size_t>(values.numel());
  if (type_ == at::kDouble) {
    file_.read(name, std::span<double>(values.mutable_data_ptr<double>(), count));
  } else {
    file_.read(name, std::span<float>(values.mutable_data_ptr<float>(), count));
  }
  if (const auto wrong = values.numel() - values.isfinite().sum().item<std::int64_t>(); wrong > 0) {
    add_problem(fmt::format("{} holds {} value(s) that are not finite{}", shown(name), wrong,
                            tensor.dtype == SafetensorsDtype::f64 && type_ == at::kFloat ? " as float32" : ""));
    return {};
  }
  return values;
}

at::Tensor WeightsReader::take(const std::vector<std::string>& names, at::IntArrayRef shape, Need need) {
  at::Tensor result;
  std::string first;
  bool found = false;
  for (const std::string& name : names) {
    if (!file_.contains(name)) continue;
    found = true;
    taken_.insert(name);
    const at::Tensor values = read(name, shape);
    if (!values.defined()) continue;
    if (!result.defined()) {
      result = values, first = name;
    } else if (!at::equal(result, values)) {
      const std::int64_t differing = result.ne(values).sum().item<std::int64_t>();
      add_problem(fmt::format("{} and {} are one tensor, but {} of {} values differ", shown(first), shown(name), differing, values.numel()));
    }
  }
  if (!found && need == Need::required) add_problem(shown(names.front()) + " is missing");
  return result;
}

void WeightsReader::finish(const std::string& fix) const {
  std::vector<std::string> all = problems_;
  for (const SafetensorsTensor& tensor : file_.tensors()) {
    if (!taken_.contains(tensor.name)) all.push_back(shown(tensor.name) + " is not of this network");
  }
  if (all.empty()) return;
  std::string text = "the file's tensors do not fit the network:";
  for (std::size_t n = 0; n < std::min(all.size(), kMostProblemsTold); ++n) text += "\n    " + all[n];
  if (all.size() > kMostProblemsTold) text += fmt::format("\n    and {} more", all.size() - kMostProblemsTold);
  throw DataError(text, file_.path().string(), fix);
}

}  // namespace trellis
