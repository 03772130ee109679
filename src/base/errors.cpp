#include "base/errors.h"

#include <utility>

namespace trellis {
namespace {

std::string compose(const std::string& what, const std::string& where, const std::string& fix) {
  std::string text = what;
  if (!where.empty()) text += "\n  where: " + where;
  if (!fix.empty()) text += "\n  fix:   " + fix;
  return text;
}

}  // namespace

Error::Error(ExitCode code, std::string what, std::string where, std::string fix)
    : std::runtime_error(compose(what, where, fix)),
      code_(code),
      fact_(std::move(what)),
      where_(std::move(where)),
      fix_(std::move(fix)) {}

void require(bool holds, const char* what) {
  if (!holds) throw InternalError(what, "", "this is a fault of the program: please report it with the command line");
}

}  // namespace trellis
