// Writing and reading with real ranks: parallel HDF5 cannot be called by threads that play ranks.
#include <gmock/gmock.h>

#include <memory>

#include "base/errors.h"
#include "checkpoint/catalogue.h"
#include "checkpoint/reader.h"
#include "checkpoint/writer.h"
#include "tests/checkpoint/sample_helpers.h"
#include "tests/mpi/mpi_test_main.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::HasSubstr;

class CollectiveWriter : public testing::Test {
 protected:
  Communicator world = Communicator::world();
  SharedFolder folder{world};
  const std::filesystem::path& root = folder.path();
};

TEST_F(CollectiveWriter, WritesWhatEveryRankReadsBack) {
  const WriteReport report = write_sample(world, root, 1000);
  EXPECT_EQ(report.path, root / "step-0000001000");
  const auto reader = CheckpointReader::open(world, report.path, Verify::hash);
  EXPECT_EQ(reader.step(), 1000);
  EXPECT_EQ(reader.state()["windows"], 12);
  EXPECT_TRUE(holds_sample(reader));
}

TEST_F(CollectiveWriter, GivesEachRankItsEqualShareOfTheBytes) {
  const WriteReport report = write_sample(world, root, 1);
  std::int64_t total = 0;
  for (const TensorInfo& tensor : sample_tensors()) total += tensor.bytes();
  EXPECT_EQ(report.bytes_total, total);
  const double share = static_cast<double>(total) / world.size();
  EXPECT_NEAR(static_cast<double>(report.bytes_this_rank), share, 0.1 * share);
}

TEST_F(CollectiveWriter, GivesTheSameBytesForOneRankAsForAll) {
  const auto together = write_sample(world, root / "together", 5);
  const auto alone_communicator = world.split(world.rank(), 0);
  if (world.rank() == 0) {
    const auto alone = write_sample(alone_communicator, root / "alone", 5);
    EXPECT_EQ(bytes_of_file(alone.path / "state.h5"), bytes_of_file(together.path / "state.h5"));
    EXPECT_EQ(bytes_of_file(alone.path / "manifest.json"), bytes_of_file(together.path / "manifest.json"));
  }
  world.barrier();
}

TEST_F(CollectiveWriter, LetsTheLastRankHoldEverything) {
  SampleSlices all(world.split(world.rank(), 0), sample_tensors(), 3);
  if (world.rank() != world.size() - 1)
    for (TensorSlice& slice : all.slices()) slice.pieces.clear();
  const auto report = write_checkpoint(world, root, 3, all.slices(), nlohmann::json::object());
  EXPECT_EQ(report.bytes_this_rank, world.rank() == world.size() - 1 ? report.bytes_total : 0);
  EXPECT_TRUE(holds_sample(CheckpointReader::open(world, report.path, Verify::hash)));
}

TEST_F(CollectiveWriter, WritesFilesOfManyHashBlocks) {
  constexpr std::int64_t large_rows = 4001;  // 16 MB
  const auto report = write_sample(world, root, 9, nlohmann::json::object(), large_rows);
  EXPECT_TRUE(holds_sample(CheckpointReader::open(world, report.path, Verify::hash), large_rows));
}

TEST_F(CollectiveWriter, ReplacesACheckpointOfTheSameStep) {
  write_sample(world, root, 4, {{"which", "first"}});
  write_sample(world, root, 4, {{"which", "second"}});
  EXPECT_EQ(CheckpointReader::open(world, root / "step-0000000004", Verify::hash).state()["which"], "second");
  EXPECT_EQ(list_checkpoints(world, root).size(), 1u);
  const auto entries = std::distance(std::filesystem::directory_iterator(root), std::filesystem::directory_iterator());
  EXPECT_EQ(entries, 1) << "nothing temporary is left";
}

TEST_F(CollectiveWriter, RefusesRowsThatLeaveAGap) {
  SampleSlices sample(world, sample_tensors(), 1);
  if (world.rank() == world.size() - 1) --sample.slices()[0].pieces[0].rows.end;
  try {
    write_checkpoint(world, root, 1, sample.slices(), nlohmann::json::object());
    FAIL() << "no error";
  } catch (const InternalError& error) {
    EXPECT_EQ(error.fact(), "tensor model.embedding: the ranks hold 300 of its 301 rows");
  }
  EXPECT_TRUE(list_checkpoints(world, root).empty());
}

// Sample tensors with every row a piece of its own: rank r has rows r, r + ranks, r + 2 ranks, ... of each, last one first.
class ScatteredRows {
 public:
  ScatteredRows(const Communicator& communicator, std::int64_t step) {
    for (const TensorInfo& tensor : sample_tensors()) {
      TensorSlice slice{tensor.name, tensor.type, tensor.shape, {}};
      for (std::int64_t row = communicator.rank(); row < tensor.rows(); row += communicator.size()) {
        data_.push_back(std::make_unique<std::vector<std::byte>>(sample_rows(tensor, {row, row + 1}, step)));
        slice.pieces.insert(slice.pieces.begin(), {{row, row + 1}, data_.back()->data()});
        slice.pieces.push_back({{}, nullptr});  // none are none, wherever they stand
      }
      slices_.push_back(std::move(slice));
    }
  }
  std::vector<TensorSlice>& slices() { return slices_; }

 private:
  std::vector<std::unique_ptr<std::vector<std::byte>>> data_;
  std::vector<TensorSlice> slices_;
};

TEST_F(CollectiveWriter, TakesManyPiecesOfATensorInAnyOrder) {
  ScatteredRows scattered(world, 5);
  const auto report = write_checkpoint(world, root / "scattered", 5, scattered.slices(), {{"windows", 12}, {"note", "sample"}});
  EXPECT_TRUE(holds_sample(CheckpointReader::open(world, report.path, Verify::hash)));
  const auto plain = write_sample(world, root / "plain", 5);
  EXPECT_EQ(bytes_of_file(report.path / "state.h5"), bytes_of_file(plain.path / "state.h5"));
  EXPECT_EQ(bytes_of_file(report.path / "manifest.json"), bytes_of_file(plain.path / "manifest.json"));
  std::int64_t own = 0;
  for (const TensorInfo& tensor : sample_tensors()) {
    for (std::int64_t row = world.rank(); row < tensor.rows(); row += world.size()) own += tensor.row_bytes();
  }
  EXPECT_EQ(report.bytes_this_rank, own);
}

// What writing these slices ends with on every rank.
std::string refusal(const Communicator& world, const std::filesystem::path& root, std::span<const TensorSlice> slices) {
  try {
    write_checkpoint(world, root, 1, slices, nlohmann::json::object());
  } catch (const InternalError& error) {
    return error.fact();
  }
  return "no error";
}

TEST_F(CollectiveWriter, RefusesPiecesThatDoNotTileATensor) {
  const bool last = world.rank() == world.size() - 1, first = world.rank() == 0;
  const auto refused = [&](const auto& spoil) {
    ScatteredRows scattered(world, 1);
    spoil(scattered.slices()[0].pieces);
    return refusal(world, root, scattered.slices());
  };
  const std::string gap = "tensor model.embedding: the ranks' rows leave a gap or overlap: ";
  using Pieces = std::vector<TensorRows>;
  const std::vector<std::byte> memory(8000);
  // a row missing in the middle, by the rank that has row 0
  EXPECT_EQ(refused([&](Pieces& pieces) {
              if (first) std::erase_if(pieces, [](const TensorRows& piece) { return piece.rows == Range{0, 1}; });
            }),
            gap + "1 follows row 0");
  // a row twice on one rank
  EXPECT_EQ(refused([&](Pieces& pieces) {
              if (last) pieces.push_back({{150, 151}, memory.data()});
            }),
            gap + "150 follows row 151");
  // a piece that covers its neighbours'
  EXPECT_EQ(refused([&](Pieces& pieces) {
              if (last) pieces.push_back({{299, 301}, memory.data()});
            }),
            gap + "299 follows row 300");
  EXPECT_THAT(refused([&](Pieces& pieces) {
                if (last) pieces.push_back({{300, 302}, memory.data()});
              }),
              HasSubstr("tensor model.embedding: rows [300, 302) given, but it has 301 rows"));
  EXPECT_THAT(refused([&](Pieces& pieces) {
                if (last) pieces.push_back({{-1, 1}, memory.data()});
              }),
              HasSubstr("tensor model.embedding: rows [-1, 1) given, but it has 301 rows"));
  EXPECT_THAT(refused([&](Pieces& pieces) {
                if (last) pieces.push_back({{5, 6}, nullptr});
              }),
              HasSubstr("tensor model.embedding: rows without data"));
  EXPECT_TRUE(list_checkpoints(world, root).empty());
}

TEST_F(CollectiveWriter, RefusesTensorsThatDifferBetweenRanks) {
  if (world.size() == 1) {
    SampleSlices sample(world, sample_tensors(), 1);
    sample.slices()[1].name = sample.slices()[0].name;
    EXPECT_THROW(write_checkpoint(world, root, 1, sample.slices(), nlohmann::json::object()), InternalError);
    return;
  }
  SampleSlices sample(world, sample_tensors(), 1);
  if (world.rank() == 1) sample.slices()[1].type = ElementType::int64;
  try {
    write_checkpoint(world, root, 1, sample.slices(), nlohmann::json::object());
    FAIL() << "no error";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.fact(), HasSubstr("differ from rank 0's"));
    EXPECT_THAT(error.where(), HasSubstr("rank 1 on "));
  }
}

TEST_F(CollectiveWriter, EndsAllRanksAlikeWhenTheFolderCannotBeMade) {
  if (world.rank() == 0) overwrite(root / "file", "in the way");
  world.barrier();
  try {
    write_sample(world, root / "file" / "checkpoints", 1);
    FAIL() << "no error";
  } catch (const WriteError& error) {
    EXPECT_THAT(error.fact(), HasSubstr("cannot create the folder: Not a directory"));
  }
}

TEST_F(CollectiveWriter, EndsAllRanksAlikeWhenAShardIsDamaged) {
  const auto report = write_sample(world, root, 2, nlohmann::json::object(), 4001);
  if (world.rank() == 0) {
    std::string bytes = bytes_of_file(report.path / "state.h5");
    bytes[bytes.size() - 5000] = static_cast<char>(bytes[bytes.size() - 5000] ^ 1);
    overwrite(report.path / "state.h5", bytes);
  }
  world.barrier();
  try {
    CheckpointReader::open(world, report.path, Verify::hash);
    FAIL() << "no error";
  } catch (const DataError& error) {
    EXPECT_THAT(error.fact(), HasSubstr("the file is damaged: its hash is "));
  }
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) { return trellis::testing_support::run_mpi_tests(argc, argv); }
