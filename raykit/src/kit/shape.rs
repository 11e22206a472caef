//! `Shape` and `Point`: how the members of a group lie, and the place of one.

use crate::object::{Error, ErrorKind, Result};
use std::fmt;
use std::ops::{Bound, Index, Range, RangeBounds};

/// How the members of an [`ActorGroup`](crate::ActorGroup) lie: dimensions, each with a name and a
/// size.
///
/// Ranks go through the last dimension first, as the elements of an array of arrays do. A group
/// that was made without a shape has one dimension, `rank`. `{}` prints `hosts = 2, gpus = 4`.
#[crate::object]
#[derive(Debug, PartialEq, Eq)]
pub struct Shape {
    /// The product of the sizes is a `usize`.
    dimensions: Vec<(String, usize)>,
}

/// The place of one member of a group: its rank, and where that lies in each dimension.
///
/// It is an object, so that an actor's constructor can take it.
///
/// ```
/// use raykit::{ActorGroup, Point, prelude::*};
///
/// #[remote]
/// struct Cell {
///     place: Point,
/// }
///
/// #[remote]
/// impl Cell {
///     pub fn new(place: Point) -> Self {
///         Cell { place }
///     }
///     pub fn on_the_diagonal(&self) -> bool {
///         self.place["row"] == self.place["column"]
///     }
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let cells = ActorGroup::grid([("row", 2), ("column", 2)], Cell::remote)?;
/// assert_eq!(cells.call(|cell| cell.on_the_diagonal()).get()?, [true, false, false, true]);
/// # Ok(())
/// # }
/// ```
#[crate::object]
#[derive(Debug, PartialEq, Eq)]
pub struct Point {
    rank: usize,
    coordinates: Vec<usize>,
    shape: Shape,
}

pub(super) fn refused(text: String) -> Error {
    Error::new(ErrorKind::GroupShape, text)
}

impl Shape {
    /// One dimension.
    pub(super) fn line(len: usize) -> Shape {
        Shape { dimensions: vec![("rank".to_owned(), len)] }
    }

    pub(super) fn new(
        dimensions: impl IntoIterator<Item = (impl Into<String>, usize)>,
    ) -> Result<Shape> {
        let mut shape = Shape { dimensions: Vec::new() };
        let mut len = 1_usize;
        for (name, size) in dimensions {
            let name = name.into();
            if shape.size(&name).is_some() {
                return Err(refused(format!("the dimension `{name}` is named twice")));
            }
            len = len.checked_mul(size).ok_or_else(|| {
                refused(format!(
                    "with {size} of `{name}` there are more places than can be counted"
                ))
            })?;
            shape.dimensions.push((name, size));
        }
        Ok(shape)
    }

    /// The dimensions, in their order.
    pub fn dimensions(&self) -> impl ExactSizeIterator<Item = (&str, usize)> {
        self.dimensions.iter().map(|(name, size)| (name.as_str(), *size))
    }

    /// The size of one dimension; `None` if there is none of that name.
    pub fn size(&self, dimension: &str) -> Option<usize> {
        self.dimensions().find(|(name, _)| *name == dimension).map(|(_, size)| size)
    }

    /// How many places there are.
    pub fn len(&self) -> usize {
        self.dimensions().map(|(_, size)| size).product()
    }

    /// Whether there is no place.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place of a rank; `None` if that is too high.
    pub fn point(&self, rank: usize) -> Option<Point> {
        (rank < self.len()).then(|| {
            let coordinates = (0..self.dimensions.len()).map(|at| self.coordinate(rank, at));
            Point { rank, coordinates: coordinates.collect(), shape: self.clone() }
        })
    }

    /// All places, by rank.
    pub fn points(&self) -> impl Iterator<Item = Point> + '_ {
        (0..self.len()).filter_map(|rank| self.point(rank))
    }

    /// Where `rank`, one that there is, lies in the dimension that stands at `at`.
    fn coordinate(&self, rank: usize, at: usize) -> usize {
        let stride: usize = self.dimensions[at + 1..].iter().map(|(_, size)| size).product();
        rank / stride % self.dimensions[at].1
    }

    /// The rank of the place with these coordinates, one for each dimension.
    pub(super) fn rank(&self, coordinates: &[(&str, usize)]) -> Option<usize> {
        if coordinates.len() != self.dimensions.len() {
            return None;
        }
        self.dimensions().try_fold(0, |rank, (name, size)| {
            let (_, at) = coordinates.iter().find(|(known, _)| *known == name)?;
            (*at < size).then_some(rank * size + at)
        })
    }

    /// What is left when `dimension` is cut down to `range`, and the ranks that its places have
    /// here.
    pub(super) fn slice(
        &self,
        dimension: &str,
        range: impl RangeBounds<usize>,
    ) -> Result<(Shape, Vec<usize>)> {
        let Some(at) = self.dimensions().position(|(name, _)| name == dimension) else {
            return Err(refused(format!("there is no dimension `{dimension}` in {self}")));
        };
        let size = self.dimensions[at].1;
        let range = within(range, size).ok_or_else(|| {
            refused(format!("`{dimension}` is from 0 up to {size}; the range is not within that"))
        })?;
        let mut shape = self.clone();
        shape.dimensions[at].1 = range.len();
        let inside = |rank: &usize| range.contains(&self.coordinate(*rank, at));
        Ok((shape, (0..self.len()).filter(inside).collect()))
    }
}

/// The range with both its ends, if it lies in `0..size`.
fn within(range: impl RangeBounds<usize>, size: usize) -> Option<Range<usize>> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.checked_add(1)?,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.checked_add(1)?,
        Bound::Excluded(end) => *end,
        Bound::Unbounded => size,
    };
    (start <= end && end <= size).then_some(start..end)
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, size)) in self.dimensions().enumerate() {
            write!(f, "{}{name} = {size}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Point {
    /// The number of the place, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Where it lies in one dimension; `None` if there is none of that name. `point["hosts"]` is
    /// the same for a dimension that there is.
    pub fn get(&self, dimension: &str) -> Option<usize> {
        self.find(dimension).copied()
    }

    /// The shape in which it is a place: its `len` is how many places there are in all.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    fn find(&self, dimension: &str) -> Option<&usize> {
        let at = self.shape.dimensions().position(|(name, _)| name == dimension)?;
        self.coordinates.get(at)
    }
}

/// # Panics
///
/// If there is no dimension of that name.
impl Index<&str> for Point {
    type Output = usize;
    fn index(&self, dimension: &str) -> &usize {
        match self.find(dimension) {
            Some(coordinate) => coordinate,
            None => panic!("there is no dimension `{dimension}` in {}", self.shape),
        }
    }
}
