// exp, log, cos and powers in double, for numbers that a run's results depend on: initial weights, corrections of an optimizer,
// perplexities. Unlike the C library's they give the same bits on every system and processor.
#pragma once

#include <cstdint>

namespace trellis {

// Both within 1.1 units in the last place (plan/vector_math.h, which says what they give at the edges of their range).
double exponential(double x);
double logarithm(double x);

// cos(2 pi turns) within 2 units in the last place, and exact where it is 0 or 1. Requires |turns| <= 1, a multiple of 2^-50: then a
// part of a turn is taken off without error.
double cosine_of_turns(double turns);

// base^exponent, rounded correctly but for one time in many thousands; 0 where it is below the normal numbers. Requires
// 0 <= base <= 1 and exponent >= 0; 0^0 is 1.
double whole_power(double base, std::int64_t exponent);

}  // namespace trellis
