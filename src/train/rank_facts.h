// What ranks see of the data and files of a run, as facts to be compared between them (mpi/same_on_all.h). Content counts, not
// paths: each machine may have a copy of its own.
#pragma once

#include <filesystem>
#include <string>

#include "base/facts.h"
#include "checkpoint/reader.h"
#include "model/parameters.h"
#include "train/dataset.h"

namespace trellis {

// Kind, unit and vocabulary of a text, or what a sequence is, and what each split holds, as the manifest tells. That the files
// are the manifest's is checked when they are opened.
Facts corpus_facts(const Dataset& data);

// Its step, and the hash of the manifest that this rank sees, which has those of the other files. Throws MissingInputError, DataError.
Fact checkpoint_fact(const CheckpointReader& checkpoint);

// Name and content. Throws MissingInputError, DataError.
Fact file_fact(const std::string& name, const std::filesystem::path& path);

// The numbers that a rank has taken from whatever files it was given.
Fact weights_fact(const Parameters& weights);

}  // namespace trellis
