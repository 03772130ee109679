#include "checkpoint/owner_file.h"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/core.h>
#include <fstream>
#include <optional>
#include <sstream>
#include <unistd.h>
#include <utility>

#include "base/errors.h"
#include "base/host_name.h"
#include "base/log.h"
#include "storage/file.h"
#include "storage/read_text.h"

namespace trellis::checkpoint {
namespace {

namespace fs = std::filesystem;

// Of the running kernel; empty where it does not tell.
std::string boot() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

// When a process began, in the kernel's ticks since the boot: process numbers come again, this pair does not. Empty when there
// is no such process.
std::optional<std::string> beginning_of(long process) {
  std::ifstream file(fmt::format("/proc/{}/stat", process));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  if (text.rfind(')') == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(text.rfind(')') + 1));  // the name before it may hold anything
  std::string field;
  for (int n = 3; n <= 22; ++n) {
    if (!(fields >> field)) return std::nullopt;
  }
  return field;
}

struct Owner {
  std::string host, boot, beginning;
  long process = 0;
};

// The second line; the first one is for people.
std::string mark_of_this_process() {
  return fmt::format("{} {} {} {}\n", getpid(), beginning_of(getpid()).value_or("-"), boot().empty() ? "-" : boot(), host_name());
}

std::optional<Owner> parse(const std::string& text) {
  std::istringstream lines(text);
  std::string description;
  Owner owner;
  std::getline(lines, description);
  if (lines >> owner.process >> owner.beginning >> owner.boot >> owner.host) return owner;
  return std::nullopt;
}

enum class Life { gone, here, unknown };

Life life_of(const Owner& owner) {
  if (owner.boot == boot()) return beginning_of(owner.process) == owner.beginning ? Life::here : Life::gone;
  return owner.host == host_name() ? Life::gone : Life::unknown;  // this machine has been started since, or it is another one
}

std::string first_line(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  for (char& c : line)
    if (c < ' ' || c > '~') c = ' ';
  return line.empty() ? "unknown" : line;
}

// What stands in the way is removed, unless it must not be.
void remove_former(const fs::path& path) {
  std::string text;
  try {
    text = read_text(path, 4096, "remove it, if no run uses the folder");
  } catch (const Error&) {  // gone this moment, or nothing to be read
  }
  const std::optional<Owner> owner = parse(text);
  const Life life = owner ? life_of(*owner) : Life::unknown;
  if (life == Life::here) {
    throw OutputExistsError("another job is using this run: " + first_line(text), path.parent_path().string(),
                            "wait until it ends or stop it, or choose another run folder");
  }
  if (life == Life::unknown) {
    log_warning("{} says that this run is used by another machine ({}): nothing tells whether that job has ended; make sure that it has",
                path.string(), first_line(text));
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    throw WriteError("cannot remove what an ended job left", path.string(), "check the folder's permissions");
}

}  // namespace

std::string description_of_this_process() {
  const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  return fmt::format("host {}, process {}, since {:%Y-%m-%d %H:%M:%S} UTC", host_name(), getpid(), now);
}

OwnerFile::OwnerFile(const fs::path& path) {
  std::error_code error;
  while (fs::exists(fs::symlink_status(path, error))) remove_former(path);
  const File file = File::create(path);  // if another job was quicker, this says that there is such a file
  path_ = path;
  const std::string text = description_of_this_process() + "\n" + mark_of_this_process();
  try {
    file.write_at(0, std::as_bytes(std::span(text)));
  } catch (...) {
    ::unlink(path_.c_str());
    throw;
  }
}

OwnerFile::OwnerFile(OwnerFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}

OwnerFile& OwnerFile::operator=(OwnerFile&& other) noexcept {
  std::swap(path_, other.path_);
  return *this;
}

OwnerFile::~OwnerFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace trellis::checkpoint
