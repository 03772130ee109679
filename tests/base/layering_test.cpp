// Folders look only at those before them: every #include in src/ and preprocessing/ is held against the order.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/base/layering_helpers.h"

namespace trellis {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Layering, EveryFileOfTheProjectKeepsToTheOrderOfFolders) {
  const char* root = std::getenv("SOURCE_DIR");
  ASSERT_NE(root, nullptr) << "SOURCE_DIR must name the project's folder";
  const std::set<std::string> kinds = {".h", ".cpp", ".cu", ".cuh", ".def"};
  int files = 0;
  for (const char* top : {"src", "preprocessing"}) {
    const std::filesystem::path folder = std::filesystem::path(root) / top;
    if (!std::filesystem::exists(folder)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file() || !kinds.contains(entry.path().extension())) continue;
      ++files;
      std::ostringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      for (const std::string& fault :
           layering_faults(std::filesystem::relative(entry.path(), root).string(), text.str())) {
        ADD_FAILURE() << fault;
      }
    }
  }
  EXPECT_GT(files, 20) << "hardly any source found below " << root;
}

TEST(Layering, LooksUpwardAndAtItselfAreFine) {
  EXPECT_THAT(layering_faults("src/train/step.cpp",
                              "#include \"train/step.h\"\n#include \"base/errors.h\"\n#include \"config/settings.h\"\n"
                              "#include <ATen/ATen.h>\n#include <vector>\n"),
              IsEmpty());
  EXPECT_THAT(
      layering_faults("src/comm/cuda/nccl.cpp", "#include <nccl.h>\n#include \"comm/faults/watchdog.h\"\nMPI_Barrier(c);"),
      IsEmpty());
}

TEST(Layering, ALookDownwardIsAFaultWithFileAndLine) {
  EXPECT_THAT(layering_faults("src/plan/mesh.h", "// mesh\n#include \"model/level.h\"\n"),
              ElementsAre("src/plan/mesh.h:2: plan/ may not use model/, which comes after it"));
  EXPECT_THAT(layering_faults("src/comm/cuda/nccl.cpp", " #  include \"data/reader.h\"\n"),
              ElementsAre(HasSubstr("comm/ may not use data/")));
}

TEST(Layering, AnUnknownFolderAndABareNameAreFaults) {
  EXPECT_THAT(layering_faults("src/plan/mesh.h", "#include \"utils/x.h\"\n#include \"ranges.h\"\n"),
              ElementsAre(HasSubstr("utils/ is no folder of src/"), HasSubstr("name the header from src/ on")));
  EXPECT_THAT(layering_faults("src/new/x.h", "#include \"base/errors.h\"\n"),
              ElementsAre(HasSubstr("new/ has no place in the order of folders")));
}

TEST(Layering, PreprocessingUsesOnlyItsFiveFolders) {
  EXPECT_THAT(
      layering_faults("preprocessing/text.cpp",
                      "#include \"preprocessing/text.h\"\n#include \"corpus/shard.h\"\n#include \"config/x.h\"\n"),
      IsEmpty());
  EXPECT_THAT(layering_faults("preprocessing/text.cpp", "#include \"data/lanes.h\"\n"),
              ElementsAre(HasSubstr("preprocessing/ may not use data/")));
}

TEST(Layering, LibrariesStayInTheirFolders) {
  EXPECT_THAT(layering_faults("src/train/x.cpp", "#include <boost/program_options.hpp>\n"),
              ElementsAre(HasSubstr("only config/ sees Boost")));
  EXPECT_THAT(layering_faults("src/model/x.cpp", "#include <torch/csrc/distributed/c10d/Backend.hpp>\n"),
              ElementsAre(HasSubstr("only comm/ sees c10d")));
  EXPECT_THAT(layering_faults("src/checkpoint/x.h", "#include \"config/settings.h\"\n"),
              ElementsAre(HasSubstr("take plain values instead")));
  for (const char* folder : {"src/base", "src/plan", "src/config", "src/corpus", "src/mpi", "src/kernels", "src/data",
                             "src/checkpoint", "src/report", "preprocessing"}) {
    for (const char* header : {"torch/torch.h", "ATen/ATen.h", "c10/core/Device.h"}) {
      EXPECT_THAT(layering_faults(std::string(folder) + "/x.h", "#include <" + std::string(header) + ">\n"),
                  ElementsAre(HasSubstr("no LibTorch")));
    }
  }
}

TEST(Layering, OnlyCallsOfMpiCountNotItsConstantsTypesOrMentions) {
  EXPECT_THAT(
      layering_faults("src/checkpoint/x.cpp",
                      "MPI_Comm duplicate = MPI_COMM_NULL;  // MPI_Barrier(world)\nlog(\"MPI_Init (failed)\");\n"
                      "/* MPI_Send(\n MPI_Recv( */ int many = 1'000'000;\n"),
      IsEmpty());
  EXPECT_THAT(layering_faults("src/checkpoint/x.cpp", "const char q = '\"';\nMPI_Barrier (world);\n"),
              ElementsAre("src/checkpoint/x.cpp:2: only mpi/ and comm/ call MPI"));
}

TEST(Layering, Libhdf5WritesAndNeverReads) {
  EXPECT_THAT(layering_faults("src/cli/x.cpp", "#include <hdf5.h>\n"), ElementsAre(HasSubstr("only hdf5/ and checkpoint/")));
  for (const char* call : {"H5Fis_hdf5(path);", "H5Dread (d, t);", "H5Aread(a, t, v);", "H5Gopen2(f, n, p);", "H5Oopen(f, n, p);"})
    EXPECT_THAT(layering_faults("src/checkpoint/x.cpp", call), ElementsAre(HasSubstr("libhdf5 reads no file")));
  EXPECT_THAT(layering_faults("src/corpus/x.cpp", "H5Fopen(path, flags, access);"), ElementsAre(HasSubstr("only checkpoint/")));
  EXPECT_THAT(layering_faults("src/checkpoint/x.cpp", "#include <hdf5.h>\nH5Fopen(path, flags, access); H5Dwrite(d);"), IsEmpty());
}

TEST(Layering, ThereIsOneOfEach) {
  for (const char* code : {"Handle file(id, H5Fclose);", "if (::fsync(fd) != 0) fail();", "fdatasync (fd);", "class File {", "gethostname(name, 9);"})
    EXPECT_THAT(layering_faults("src/checkpoint/x.cpp", code), testing::SizeIs(1)) << code;
  EXPECT_THAT(layering_faults("src/storage/x.cpp", "::fsync(fd); class File {"), IsEmpty());
}

// Kernels have a version for each processor in a folder of its own.
TEST(Layering, NoTwoHeadersHaveOneName) {
  const char* root = std::getenv("SOURCE_DIR");
  ASSERT_NE(root, nullptr) << "SOURCE_DIR must name the project's folder";
  std::map<std::string, std::string> places;
  for (const char* top : {"src", "preprocessing"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(std::filesystem::path(root) / top)) {
      const std::string path = std::filesystem::relative(entry.path(), root).string();
      if (entry.path().extension() != ".h" || path.starts_with("src/kernels/")) continue;
      const auto [place, added] = places.emplace(entry.path().filename().string(), path);
      EXPECT_TRUE(added) << path << " and " << place->second;
    }
  }
}

TEST(Layering, AnIncludeInACommentIsNone) {
  EXPECT_THAT(layering_faults("src/plan/x.h", "// #include \"model/level.h\"\n/*\n#include \"cli/x.h\"\n*/\n"),
              IsEmpty());
}

TEST(Layering, AFileThatIsTooLongIsAFault) {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "\n";
  EXPECT_THAT(layering_faults("src/plan/x.h", text), IsEmpty());
  EXPECT_THAT(layering_faults("src/plan/x.h", text + "\n"), ElementsAre(HasSubstr("401 lines, expected at most 400")));
}

}  // namespace
}  // namespace trellis
