// What the tests of settings share.
#pragma once

#include <filesystem>
#include <gtest/gtest.h>
#include <string>

#include "base/errors.h"
#include "config/settings.h"

namespace trellis {

// Settings of which every one differs from its default, within its own limits.
Settings everything_changed();

// Writes a file into the tests' temporary folder.
std::filesystem::path write_file(const std::string& name, const std::string& text);

// The error of what `action` throws; the test fails when it throws nothing or something else.
template <class Action>
Error error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return Error(ExitCode::done, "", "", "");
}

}  // namespace trellis
