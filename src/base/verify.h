// How much of a file is checked when it is opened.
#pragma once

namespace trellis {

enum class Verify {
  hash,       // its bytes against the recorded hash, at gigabytes a second, and its structure
  structure,  // size and structure only: for bytes that were just verified, or are trusted
};

}  // namespace trellis
