#include "trainer/chunk_choice.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "config/settings_io.h"
#include "train/from_settings.h"

namespace trellis {
namespace {

Settings with(std::vector<std::string> words) { return load_settings({}, words).settings; }

std::optional<ChunkChoice> chosen(const Settings& settings, int stages, const std::optional<ChunkChoice>& saved = std::nullopt) {
  return choose_chunks(settings, shape_from(settings, 1000), Mesh{.pipeline = stages}, false, saved);
}

TEST(ChunkChoice, IsMadeOfSettingsAndMeshAlone) {
  const std::optional<ChunkChoice> choice = chosen(with({}), 2);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->stages, 2);
  EXPECT_GT(choice->chunks, 1);
  EXPECT_EQ(chosen(with({}), 2), choice);
  EXPECT_EQ(chunks_of(with({}), choice), choice->chunks);
}

TEST(ChunkChoice, IsNoneWhereThereIsNothingToChoose) {
  EXPECT_EQ(chosen(with({}), 1), std::nullopt);
  EXPECT_EQ(chunks_of(with({}), std::nullopt), 1);
  const Settings given = with({"mesh.chunks=5"});
  EXPECT_EQ(chosen(given, 2, ChunkChoice{2, 9}), std::nullopt);
  EXPECT_EQ(chunks_of(given, std::nullopt), 5);
}

TEST(ChunkChoice, OfAResumedRunIsKeptForAsManyStages) {
  EXPECT_EQ(chosen(with({"memory.recompute=gates"}), 2, ChunkChoice{2, 9}), (ChunkChoice{2, 9}));
  EXPECT_EQ(chosen(with({}), 2, ChunkChoice{4, 9}), chosen(with({}), 2));
}

}  // namespace
}  // namespace trellis
