#include "report/terminal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <sys/ioctl.h>

#include "tests/scratch_folder.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;

// A /proc of two processes or three: a rank, whatever started it, and a launcher.
class Proc {
 public:
  explicit Proc(const std::string& name) : root_(scratch_folder() / name) {}
  ~Proc() { fs::remove_all(root_); }
  void add(int pid, const std::string& name, int parent, const std::string& command_line = "") {
    fs::create_directories(root_ / std::to_string(pid) / "fd");
    std::ofstream(root_ / std::to_string(pid) / "stat") << pid << " (" << name << ") S " << parent << " 1 1 0 -1";
    std::ofstream(root_ / std::to_string(pid) / "cmdline") << command_line;
  }
  void open(int pid, int descriptor, const std::string& target) {
    fs::create_symlink(target, root_ / std::to_string(pid) / "fd" / std::to_string(descriptor));
  }
  const fs::path& root() const { return root_; }

 private:
  fs::path root_;
};

TEST(Terminal, OfARankIsThatOfTheMpirunItsPipeLeadsTo) {
  Proc proc("direct");
  proc.add(100, "mpirun", 50, std::string("mpirun\0-n\0002\0trellis\0", 20));
  proc.add(101, "trellis", 100);
  proc.open(100, 2, "/dev/pts/3");
  proc.open(100, 25, "pipe:[777]");
  proc.open(101, 2, "pipe:[777]");
  EXPECT_EQ(launchers_standard_error(proc.root(), 101, 2), proc.root() / "100/fd/2");
}

TEST(Terminal, IsFoundThroughWrappers) {
  Proc proc("wrapped");
  proc.add(100, "mpirun.openmpi", 50);
  proc.add(101, "a (strange) sh", 100);
  proc.add(102, "trellis", 101);
  proc.open(100, 2, "/dev/pts/3");
  proc.open(100, 25, "pipe:[777]");
  proc.open(102, 2, "pipe:[777]");
  EXPECT_TRUE(launchers_standard_error(proc.root(), 102, 2));
}

TEST(Terminal, IsNoneWhereStandardErrorGoesElsewhere) {
  Proc proc("elsewhere");
  proc.add(100, "mpirun", 50);
  proc.add(101, "trellis", 100);
  proc.open(100, 2, "/dev/pts/3");
  proc.open(100, 25, "pipe:[777]");
  proc.open(101, 2, "pipe:[999]");  // to tee, say
  EXPECT_FALSE(launchers_standard_error(proc.root(), 101, 2));
  EXPECT_FALSE(launchers_standard_error(proc.root(), 101, 1)) << "closed";
  proc.open(101, 1, "/tmp/a.log");
  EXPECT_FALSE(launchers_standard_error(proc.root(), 101, 1));
}

TEST(Terminal, IsNoneWhereNoLauncherIsAbove) {
  Proc proc("none");
  proc.add(100, "bash", 1);
  proc.add(101, "trellis", 100);
  proc.open(100, 2, "/dev/pts/3");
  proc.open(100, 25, "pipe:[777]");
  proc.open(101, 2, "pipe:[777]");
  EXPECT_FALSE(launchers_standard_error(proc.root(), 101, 2));
  EXPECT_FALSE(launchers_standard_error(proc.root(), 4242, 2));
}

TEST(Terminal, IsNoneWhereTheLauncherWritesSomethingInFrontOfLines) {
  for (const std::string flag : {"--tag-output", "-timestamp-output", "--output-filename", "-xml", "--merge-stderr-to-stdout"}) {
    Proc proc("tagged");
    std::string words = "mpirun " + flag + " -n 2 trellis ";
    std::replace(words.begin(), words.end(), ' ', '\0');
    proc.add(100, "mpirun", 50, words);
    proc.add(101, "trellis", 100);
    proc.open(100, 2, "/dev/pts/3");
    proc.open(100, 25, "pipe:[777]");
    proc.open(101, 2, "pipe:[777]");
    EXPECT_FALSE(launchers_standard_error(proc.root(), 101, 2)) << flag;
  }
}

// A pseudo terminal of 71 columns.
class Pty {
 public:
  Pty() : main_(posix_openpt(O_RDWR | O_NOCTTY)) {
    grantpt(main_);
    unlockpt(main_);
    side_ = open(ptsname(main_), O_RDWR | O_NOCTTY);
    winsize size{};
    size.ws_row = 20, size.ws_col = 71;
    ioctl(main_, TIOCSWINSZ, &size);
  }
  ~Pty() {
    close(side_);
    close(main_);
  }
  int side() const { return side_; }

 private:
  int main_, side_ = -1;
};

TEST(Terminal, TellsItsWidthAndNeedsATermThatMovesItsCursor) {
  const Pty pty;
  ASSERT_GE(pty.side(), 0);
  setenv("TERM", "xterm", 1);
  const auto terminal = Terminal::behind(pty.side());
  ASSERT_TRUE(terminal);
  EXPECT_EQ(terminal->columns(), 71);
  for (const char* term : {"dumb", ""}) {
    setenv("TERM", term, 1);
    EXPECT_FALSE(Terminal::behind(pty.side())) << term;
  }
  unsetenv("TERM");
  EXPECT_FALSE(Terminal::behind(pty.side()));
}

}  // namespace
}  // namespace trellis
