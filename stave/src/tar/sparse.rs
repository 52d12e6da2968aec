//! Sparse files: the map of (offset, length) pairs in its four spellings, and from it where the bytes stand.

use super::number::decimal;
use super::{BLOCK, Extent, pax};
use anyhow::{Context, Result, bail, ensure};

/// Runs of a file that are stored: offset in the file and length.
pub(super) type Map = Vec<(u64, u64)>;

/// Checks a map against the file's size and the bytes stored, and places each run in the archive. The runs stand
/// there one after the other from `data` on, without padding.
pub(super) fn extents(map: &[(u64, u64)], size: u64, data: u64, stored: u64) -> Result<Vec<Extent>> {
    let (mut extents, mut end, mut taken) = (Vec::new(), 0, 0);
    for &(at, length) in map {
        let next = at.checked_add(length).filter(|&next| at >= end && next <= size);
        let Some(next) = next else {
            bail!("sparse map: {at}+{length} overlaps or passes the file's size {size}")
        };
        if length > 0 {
            extents.push(Extent { at, offset: data + taken, size: length });
        }
        taken += length;
        ensure!(taken <= stored, "sparse map: names more bytes than the {stored} stored");
        end = next;
    }
    ensure!(taken == stored, "sparse map: names {taken} bytes, but {stored} are stored");
    Ok(extents)
}

/// The map of the 0.0 and 0.1 formats, which stands in the extended header.
pub(super) fn from_records(sparse: &pax::Sparse) -> Result<Map> {
    ensure!(sparse.numbers.len().is_multiple_of(2), "sparse map: an offset without a length");
    let map = pairs(&sparse.numbers);
    if let Some(blocks) = sparse.blocks {
        ensure!(blocks == map.len() as u64, "sparse map: {} runs instead of {blocks}", map.len());
    }
    Ok(map)
}

/// The map of the 1.0 format: lines of decimal numbers in front of the data, padded to whole blocks. `block` gives
/// the n-th block of the entry's data. Returns the map and the number of blocks it took.
pub(super) fn from_data(mut block: impl FnMut(u64) -> Result<[u8; BLOCK]>) -> Result<(Map, u64)> {
    let (mut numbers, mut line, mut wanted, mut blocks) = (Vec::new(), Vec::new(), None::<usize>, 0);
    while wanted.is_none_or(|wanted| numbers.len() < wanted) {
        for byte in block(blocks)? {
            if byte != b'\n' {
                line.push(byte);
                ensure!(line.len() <= 20, "sparse map: a line is too long");
                continue;
            }
            let number = decimal(&line).context("sparse map")?;
            line.clear();
            match wanted {
                None => {
                    wanted =
                        Some(usize::try_from(number)?.checked_mul(2).context("sparse map: too many runs")?)
                }
                Some(wanted) if numbers.len() < wanted => numbers.push(number),
                Some(_) => {}
            }
            if wanted == Some(numbers.len()) {
                break;
            }
        }
        blocks += 1;
    }
    Ok((pairs(&numbers), blocks))
}

fn pairs(numbers: &[u64]) -> Map {
    numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}
