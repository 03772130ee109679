// exp, log, tanh or the logistic function of every element, in place, by the arithmetic that gates and softmaxes are made of
// (plan/vector_math.h). CPUs only: GPUs have their own, which no C library changes.
#pragma once

#include <cstdint>

namespace trellis {

enum class ElementFunction : std::uint8_t { exponential, logarithm, hyperbolic_tangent, logistic };

template <class T>
struct ApplyFunction {
  ElementFunction function = ElementFunction::exponential;
  T* values = nullptr;  // [elements]
};

}  // namespace trellis
