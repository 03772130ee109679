// Takes the tensors of a safetensors file under the names that others give them, and gathers everything that is wrong with
// the file, so that one error tells it all: missing, of another shape or type, not finite, tied but different, left over.
//
// The file may be hostile: a tensor takes memory only when its shape is the one expected.
#pragma once

#include <ATen/ATen.h>

#include <set>
#include <string>
#include <vector>

#include "weights/safetensors.h"

namespace trellis {

class WeightsReader {
 public:
  enum class Need { required, optional };

  // type: float64 or float32, which the tensors are converted to. The file must outlive this.
  WeightsReader(const SafetensorsFile& file, at::ScalarType type) : file_(file), type_(type) {}

  // The tensor under whichever of `names` are there; where several are, they must hold the same values. Undefined when none
  // is there, which is a problem if it is required, and when what is there cannot be used, which always is one.
  at::Tensor take(const std::vector<std::string>& names, at::IntArrayRef shape, Need need = Need::required);
  void add_problem(std::string problem) { problems_.push_back(std::move(problem)); }

  // Throws DataError with all problems, names of the file that nobody took among them. fix: what the user can do.
  void finish(const std::string& fix) const;

 private:
  at::Tensor read(const std::string& name, at::IntArrayRef shape);

  const SafetensorsFile& file_;
  at::ScalarType type_;
  std::set<std::string> taken_;
  std::vector<std::string> problems_;
};

}  // namespace trellis
