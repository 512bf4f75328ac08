//! Items as JSON, one value each.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::reader::Reader;
use crate::writer::Writer;

impl Writer {
    /// Writes a value as one item.
    ///
    /// # Errors
    /// [`Error::Json`] if the value has no JSON form, and those of [`send`](Writer::send).
    pub async fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let item = serde_json::to_vec(value).map_err(json_error)?;
        self.send(item).await
    }
}

impl Reader {
    /// Takes one item as a value.
    ///
    /// # Errors
    /// [`Error::Json`] if the item is not one of this type; the stream goes on.
    /// Otherwise those of [`next`](Reader::next).
    pub async fn next_json<T: DeserializeOwned>(&mut self) -> Option<Result<T, Error>> {
        let item = self.next().await?;
        Some(item.and_then(|item| serde_json::from_slice(&item).map_err(json_error)))
    }
}

fn json_error(error: serde_json::Error) -> Error {
    Error::Json(error.to_string())
}
