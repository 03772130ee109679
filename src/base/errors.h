// Errors that a user can act on: each says what is wrong, where, and how to fix it, and carries the exit code that the
// program ends with. Faults of the program itself are InternalError; anything else that escapes is treated like one.
#pragma once

#include <stdexcept>
#include <string>

#include "base/exit_codes.h"

namespace trellis {

class Error : public std::runtime_error {
 public:
  // what: the fact, with both values ("mesh needs 8 ranks, but 6 are running"); where: file, setting or tensor;
  // fix: what the user can do about it. `where` and `fix` may be empty when there is nothing true to say.
  Error(ExitCode code, std::string what, std::string where, std::string fix);

  ExitCode code() const { return code_; }
  const std::string& fact() const { return fact_; }
  const std::string& where() const { return where_; }
  const std::string& fix() const { return fix_; }

 private:
  ExitCode code_;
  std::string fact_, where_, fix_;
};

// One type a category, so that tests and callers can tell them apart.
template <ExitCode Code>
class CategorizedError : public Error {
 public:
  CategorizedError(std::string what, std::string where, std::string fix)
      : Error(Code, std::move(what), std::move(where), std::move(fix)) {}
};

using UsageError = CategorizedError<ExitCode::wrong_flags>;
using NumericError = CategorizedError<ExitCode::numeric_failure>;
using DataError = CategorizedError<ExitCode::bad_data>;
using MissingInputError = CategorizedError<ExitCode::input_missing>;
using InternalError = CategorizedError<ExitCode::internal>;
using OutputExistsError = CategorizedError<ExitCode::output_exists>;
using WriteError = CategorizedError<ExitCode::write_failed>;
using ConfigError = CategorizedError<ExitCode::wrong_setting>;

// Throws InternalError unless `holds`; for what only a fault of this program can break.
void require(bool holds, const char* what);

}  // namespace trellis
