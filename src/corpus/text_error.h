// A fault in a text, at one of its bytes. Thrown by those who know only the text; whoever knows what it is (a file, a
// prompt) catches it and says where that byte lies and what to do about it.
#pragma once

#include <cstddef>
#include <string>

#include "base/errors.h"

namespace trellis {

class TextError : public DataError {
 public:
  TextError(std::string what, std::size_t offset)
      : DataError(std::move(what), "byte " + std::to_string(offset), ""), offset_(offset) {}

  std::size_t offset() const { return offset_; }  // from the beginning of the text that was handed in

 private:
  std::size_t offset_;
};

}  // namespace trellis
