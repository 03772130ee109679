// Counter-based randomness: every random number of a run is a pure function of (seed, window, purpose, index), so it
// does not depend on how many processes there are, nor on what was drawn before, and there is no state to save.
//
// Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/host_device.h"

namespace trellis {

// What a number is for. The values are part of what makes a run reproducible: never renumber.
enum class Purpose : std::uint8_t {
  embedding_rows = 1,   // index: word
  input = 2,            // index: lane * embedding + channel
  hidden = 3,           // index: lane * hidden + channel
  output = 4,           // index: lane * outputs + channel; part: 0 the final output, n the n-th auxiliary one
  input_kernel = 5,     // W1; index: (row * kernel + tap) * embedding + channel
  hidden_kernel = 6,    // W2; index: element in memory, (row * kernel + tap) * channels + channel; see model/parameters.h
  initial_value = 7,    // index: element of the tensor; window: hash of the tensor's name
  permutation = 8,      // of a sequence's steps, once a run; words in the order of drawing (plan/shuffle.h); window: 0
  shuffle = 9,          // of the training split's sequences; words in the order of drawing; window: the pass
  latent = 10,          // index: lane * (experts * embedding) + channel; part: as for output
  generated_token = 11, // words 0 and 1; window: the token's position in its text
};

// One stream of 32-bit words, addressed by index. A value type; reading it never changes it.
struct RandomStream {
  std::uint64_t seed = 0;
  std::uint64_t window = 0;  // windows consumed before this one, over all epochs
  Purpose purpose = Purpose::initial_value;
  std::uint16_t part = 0;

  // The four words [4 * number, 4 * number + 4). Requires number < 2^40.
  // Always inlined: kernels are compiled for several instruction sets, and a copy out of line could serve the wrong one.
  [[gnu::always_inline]] constexpr std::array<std::uint32_t, 4> block(std::uint64_t number) const {
    std::uint32_t words[4] = {};
    draw(number, words);
    return {words[0], words[1], words[2], words[3]};
  }

  // The same, on a GPU too.
  [[gnu::always_inline]] TRELLIS_HOST_DEVICE constexpr void draw(std::uint64_t number, std::uint32_t (&counter)[4]) const {
    counter[0] = static_cast<std::uint32_t>(number);
    counter[1] = static_cast<std::uint32_t>(static_cast<std::uint32_t>(purpose) << 24 | static_cast<std::uint32_t>(part) << 8 |
                                            static_cast<std::uint32_t>(number >> 32 & 0xff));
    counter[2] = static_cast<std::uint32_t>(window), counter[3] = static_cast<std::uint32_t>(window >> 32);
    std::uint32_t key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t product0 = std::uint64_t{0xD2511F53u} * counter[0];
      const std::uint64_t product1 = std::uint64_t{0xCD9E8D57u} * counter[2];
      const std::uint32_t before1 = counter[1], before3 = counter[3];
      counter[0] = static_cast<std::uint32_t>(product1 >> 32) ^ before1 ^ key0, counter[1] = static_cast<std::uint32_t>(product1);
      counter[2] = static_cast<std::uint32_t>(product0 >> 32) ^ before3 ^ key1, counter[3] = static_cast<std::uint32_t>(product0);
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
  }

  constexpr std::uint32_t word(std::uint64_t index) const { return block(index / 4)[index % 4]; }

  // Uniform in (0, 1), never an end point.
  constexpr double uniform(std::uint64_t index) const { return (word(index) + 0.5) / 4294967296.0; }

  // Standard normal by Box and Muller; element i uses words 2 i and 2 i + 1.
  double normal(std::uint64_t index) const;
};

// A word is dropped when it is below this: an integer compare, so every device and precision decides alike.
// Requires 0 <= probability < 1.
constexpr std::uint64_t dropout_threshold(double probability) {
  return static_cast<std::uint64_t>(probability * 4294967296.0 + 0.5);
}

// The `window` under which a tensor's initial values are drawn: FNV-1a of its name.
constexpr std::uint64_t name_hash(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace trellis
