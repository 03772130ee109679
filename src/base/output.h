// What a command prints as its result, on standard output. A failure is remembered and raised once, at the end, by
// expect_output_written(), so that no printing in between has to be looked at.
#pragma once

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace trellis {

void write_output(std::string_view text);

template <class... Args>
void print_output(fmt::format_string<Args...> format, Args&&... args) {
  write_output(fmt::format(format, std::forward<Args>(args)...));
}

// Before a program ends. Throws WriteError unless all that was printed has arrived. A reader that has closed its end of a pipe, as
// `head` does, wanted no more, which is no error: the command ends quietly with the code that it would have had.
void expect_output_written();

}  // namespace trellis
