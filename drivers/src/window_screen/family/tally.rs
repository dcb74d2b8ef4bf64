//! A board of digits: ID HI LO SUM. Nothing marks a beginning and nothing is answered.

use std::ops::RangeInclusive;

use super::{Body, Content, Family, Frame, Reply, sum_256};
use crate::link::framer::{Codec, Front};

/// What four digits show.
const NUMBER_MAX: u16 = 9999;

#[derive(Debug)]
pub struct Tally;

impl Family for Tally {
    const NAME: &'static str = "tally";
    const ADDRESSES: RangeInclusive<u32> = 1..=99;
    const REPLY: Reply = Reply::None;

    fn show(content: &Content) -> Option<Vec<Body>> {
        let number = content.number.filter(|number| *number <= NUMBER_MAX)?;
        Some(vec![Body::Number(number)])
    }

    fn encode(frame: &Frame) -> Vec<u8> {
        let (Some(address), Body::Number(number)) = (frame.byte(), &frame.body) else {
            return Vec::new();
        };
        let [high, low] = number.to_be_bytes();
        vec![address, high, low, sum_256(&[address, high, low])]
    }
}

impl Codec for Tally {
    type Frame = Frame;
    const LENGTH_MAX: usize = 4;

    fn begins(byte: u8) -> bool {
        Self::ADDRESSES.contains(&byte.into())
    }

    fn front(bytes: &[u8]) -> Front<Frame> {
        let &[address, high, low, sum, ..] = bytes else {
            return Front::Incomplete;
        };
        let number = u16::from_be_bytes([high, low]);
        if sum != sum_256(&[address, high, low]) || number > NUMBER_MAX {
            return Front::Broken;
        }
        Front::Frame(Body::Number(number).at(address), 4)
    }
}
