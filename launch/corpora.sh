# The texts of launch/quickstart, sourced after common.sh: each function leaves train.txt, valid.txt and test.txt in a folder,
# which appears by a rename once it is complete.
# shellcheck shell=bash
# shellcheck disable=SC2154  # root and the exit codes come from common.sh

corpus_url=${TRELLIS_CORPUS_URL:-https://wikitext.smerity.com}
corpus_list=${TRELLIS_CORPUS_LIST:-$root/launch/corpora.txt}

# staging_folder FOLDER: an empty folder beside it, free of what a killed run left.
staging_folder() {
  rm -rf "$1.tmp"
  mkdir -p "$1.tmp" || fail "$exit_write_failed" "cannot write in $(dirname "$1")" "check its owner and the free space"
  echo "$1.tmp"
}

# appear STAGING FOLDER
appear() { rm -rf "$2"; mv -T "$1" "$2"; }

# check_text FILE: something to train on, at a glance.
check_text() {
  [ -e "$1" ] || fail "$exit_input_missing" "there is no text '$1'" "give a plain text file, one sentence or paragraph a line"
  [ -f "$1" ] || fail "$exit_input_missing" "'$1' is no file" "give one plain text file; put several together with cat"
  [ -r "$1" ] || fail "$exit_input_missing" "'$1' cannot be read" "check its permissions"
  local lines
  lines=$(awk 'END { printf "%.0f\n", NR }' "$1")
  [ "$lines" -ge 20 ] || fail "$exit_bad_data" "'$1' has $lines lines, and at least 20 are needed to part it into three" \
    "break it in lines: one sentence or paragraph a line"
}

# split_lines TEXT FOLDER: the first 90 % of the lines for training, then 5 % for validation, the rest for the test.
split_lines() {
  local lines train valid
  lines=$(awk 'END { printf "%.0f\n", NR }' "$1")
  train=$((lines * 90 / 100)) valid=$((lines * 5 / 100))
  head -n "$train" "$1" >"$2/train.txt"
  tail -n "+$((train + 1))" "$1" | awk -v valid="$valid" 'NR <= valid' >"$2/valid.txt"
  tail -n "+$((train + valid + 1))" "$1" >"$2/test.txt"
}

# king_james_bible FOLDER: 31,102 verses, one a line, without the reference ("Ge1:1 ") that `bible` puts in front.
king_james_bible() {
  command -v bible >/dev/null || fail "$exit_input_missing" "the program 'bible' is not installed" \
    "it is in Debian's packages bible-kjv and bible-kjv-text; or bring a text of your own: --text FILE"
  local staging verses
  staging=$(staging_folder "$1")
  bible -f 'Genesis1:1-Revelation22:21' | sed 's/^[^ ]* //' >"$staging/text"
  verses=$(awk 'END { print NR }' "$staging/text")
  [ "$verses" = 31102 ] || fail "$exit_bad_data" "'bible' printed $verses verses instead of 31102" "reinstall bible-kjv-text"
  split_lines "$staging/text" "$staging"
  rm "$staging/text"
  appear "$staging" "$1"
}

# own_text FILE FOLDER
own_text() {
  local staging
  staging=$(staging_folder "$2")
  split_lines "$1" "$staging"
  appear "$staging" "$2"
}

# download URL FILE: goes on where an earlier try ended.
download() {
  local status=0
  command -v curl >/dev/null || fail "$exit_input_missing" "curl is needed to download" "install it"
  curl --fail --location --show-error --retry 3 --retry-delay 2 --connect-timeout 30 --continue-at - --output "$2" "$1" || status=$?
  # 33: the server has nothing beyond what is here; 22 with an HTTP 416 says the same. The checks to come tell whether that is all.
  case $status in
    0) ;;
    22 | 33) [ -s "$2" ] && unzip -tqq "$2" >/dev/null 2>&1 ||
      fail "$exit_input_missing" "$1 could not be downloaded (curl: $status)" "see curl's message above; TRELLIS_CORPUS_URL names another server" ;;
    *) fail "$exit_input_missing" "$1 could not be downloaded (curl: $status)" \
      "see curl's message above; what has come is kept, and the next try goes on from there; TRELLIS_CORPUS_URL names another server" ;;
  esac
}

# check_corpus CORPUS FOLDER: every line of corpora.txt for it; prints what is wrong, if anything.
check_corpus() {
  local kind file expected words found
  while read -r kind _ file expected words; do
    if [ ! -f "$2/$file" ]; then echo "it has no $file"; return; fi
    case $kind in
      file) found=$(sha256sum "$2/$file"); found=${found%% *} ;;
      counts)
        expected="$expected tokens of $words words"
        found=$(LC_ALL=C awk '{ for (i = 1; i <= NF; i++) if (!($i in seen)) { seen[$i]; kinds++ } total += NF }
                              END { printf "%.0f tokens of %.0f words", total + NR, kinds + 1 }' "$2/$file") ;;
    esac
    if [ "$found" != "$expected" ]; then echo "$file is $found, but should be $expected"; return; fi
  done < <(awk -v corpus="$1" '($1 == "file" || $1 == "counts") && $2 == corpus' "$corpus_list")
}

# known_corpora: their names
known_corpora() { awk '$1 == "file" { print $2 }' "$corpus_list" | sort -u | tr '\n' ' '; }

# public_corpus CORPUS FOLDER
public_corpus() {
  local staging archive wrong split
  mkdir -p "$(dirname "$2")"
  archive=$(dirname "$2")/$1-v1.zip
  note "downloading $1 from $corpus_url"
  download "$corpus_url/$1-v1.zip" "$archive"
  staging=$(staging_folder "$2")
  need_space "$staging" "$(unzip -l "$archive" 2>/dev/null | awk 'END { printf "%.0f\n", $1 * 1.2 }')" "unpacking $1"
  unzip -q -o -j "$archive" -d "$staging" 2>"$staging/unzip.txt" || {
    head -n 3 "$staging/unzip.txt" >&2
    rm -rf "$staging" "$archive"
    fail "$exit_bad_data" "$archive was no whole zip archive, and is removed" "try again; TRELLIS_CORPUS_URL names another server"
  }
  note "checking the files of $1"
  wrong=$(check_corpus "$1" "$staging")
  if [ -n "$wrong" ]; then
    rm -rf "$staging" "$archive"
    fail "$exit_bad_data" "the archive from $corpus_url is not $1, and is removed: $wrong" "try another server: TRELLIS_CORPUS_URL"
  fi
  for split in train valid test; do mv "$staging/wiki.$split.tokens" "$staging/$split.txt"; done
  rm -f "$staging/unzip.txt" "$archive"
  appear "$staging" "$2"
}

# vocabulary_words CORPUS_DIRECTORY: how many words its manifest counts, or 0.
vocabulary_words() { awk -F '[:,]' '/"words"/ { words = $2 } END { printf "%.0f\n", words }' "$1/manifest.json"; }
