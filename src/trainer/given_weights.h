// The weights that a run begins with where they are those of another one.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/parameters.h"
#include "ranks/ranks.h"
#include "trainer/known_network.h"

namespace trellis {

// Collective. Fills `weights` from a checkpoint of the same network; the averages where its run averages. Tells what
// expect_same_network has to tell. Throws, alike on every rank, what that throws and what opening a checkpoint does.
void load_given_weights(const Ranks& ranks, const std::filesystem::path& checkpoint, const TakingNetwork& taking, const AllowedDifferences& allowed,
                        Parameters& weights);

// Prints each as a warning, once for all ranks.
void warn_once(const Ranks& ranks, const std::vector<std::string>& warnings);

}  // namespace trellis
