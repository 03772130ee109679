#include "hdf5/handle.h"

#include <fmt/core.h>
#include <string_view>

namespace trellis {

void prepare_hdf5() {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  H5PLset_loading_state(0);
}

void lock_no_files(hid_t access_properties) {
  constexpr bool use_locks = false, ignore_where_missing = true;
  H5Pset_file_locking(access_properties, use_locks, ignore_where_missing);
}

std::string hdf5_version() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format("{}.{}.{}", major, minor, release);
}

std::string hdf5_reason() {
  std::string innermost;
  const auto keep_first = [](unsigned, const H5E_error2_t* error, void* text) -> herr_t {
    auto& kept = *static_cast<std::string*>(text);
    if (kept.empty() && error->desc) kept = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &innermost);
  H5Eclear2(H5E_DEFAULT);
  // "file write failed: time = ..., errno = 28, error message = 'No space left on device', buf = ...": the system's
  // part
  constexpr std::string_view mark = "error message = '";
  if (const auto at = innermost.find(mark); at != std::string::npos) {
    const std::string rest = innermost.substr(at + mark.size());
    return rest.substr(0, rest.find('\''));
  }
  return innermost.empty() ? "HDF5 gives no reason" : innermost;
}

}  // namespace trellis
