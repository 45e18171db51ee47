//! The macro that writes the methods which a layer only passes on.

use std::future::Future;
use std::pin::Pin;

use crate::error::Result;

#[doc(hidden)]
pub use bytes::Bytes;

/// The future that `async_trait` methods return.
#[doc(hidden)]
pub type CallFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// The future of a method without a result.
#[doc(hidden)]
pub type UnitFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Writes methods of [`ArtifactBackend`](crate::ArtifactBackend),
/// [`ArtifactInventory`](crate::ArtifactInventory) or [`Upload`](crate::Upload) that call the same method of
/// a field.
///
/// It stands inside an impl with `#[async_trait]`, beside the methods that the layer changes:
/// `forward!(field => method, ...)`. The field is a name or a number. Instead of methods, the name of a trait
/// stands for all its methods: `forward!(inner => ArtifactInventory)`. A method that is named neither there
/// nor written is a compile error, so a layer cannot forget one; only `noted` and `note_log` have a default.
///
/// The call adds no allocation and no await point. The field of an `Upload` is a `Box` of an upload, and the
/// type must not implement `Drop` if `commit` or `abort` is forwarded.
///
/// See [`Layer`](crate::Layer) for a complete example.
#[macro_export]
macro_rules! forward {
    ($field:tt => ArtifactBackend) => {
        $crate::forward!($field => store, upload, load, download, stat, noted);
    };
    ($field:tt => ArtifactInventory) => {
        $crate::forward!($field => list, list_shard, delete, sweep, store_id, create_store_id, probe, close, note_log);
    };
    ($field:tt => Upload) => {
        $crate::forward!($field => expect_size, write, commit, abort);
    };
    ($field:tt => $($method:ident),+ $(,)?) => {
        $($crate::forward_method!($field $method);)+
    };
}

/// Writes one method for [`forward!`]. The signatures are those that `async_trait` gives the trait.
#[doc(hidden)]
#[macro_export]
macro_rules! forward_method {
    (@call $field:tt, $trait:ident::$method:ident, ($($name:ident: $type:ty),*) -> $future:ident<$($output:ty)?>) => {
        fn $method<'life0, 'async_trait>(
            &'life0 self,
            $($name: $type),*
        ) -> $crate::forwarding::$future<'async_trait $(, $output)?>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            $crate::$trait::$method(&self.$field, $($name),*)
        }
    };
    (@end $field:tt, $method:ident) => {
        fn $method<'async_trait>(
            self: ::std::boxed::Box<Self>,
        ) -> $crate::forwarding::CallFuture<'async_trait, ()>
        where
            Self: 'async_trait,
        {
            let this = *self;
            $crate::Upload::$method(this.$field)
        }
    };
    ($field:tt store) => {
        $crate::forward_method!(@call $field, ArtifactBackend::store,
            (id: $crate::ArtifactId, bytes: $crate::forwarding::Bytes) -> CallFuture<()>);
    };
    ($field:tt upload) => {
        $crate::forward_method!(@call $field, ArtifactBackend::upload,
            (id: $crate::ArtifactId) -> CallFuture<::std::boxed::Box<dyn $crate::Upload>>);
    };
    ($field:tt load) => {
        $crate::forward_method!(@call $field, ArtifactBackend::load,
            (id: $crate::ArtifactId) -> CallFuture<$crate::forwarding::Bytes>);
    };
    ($field:tt download) => {
        $crate::forward_method!(@call $field, ArtifactBackend::download,
            (id: $crate::ArtifactId, range: $crate::ByteRange) -> CallFuture<$crate::Download>);
    };
    ($field:tt stat) => {
        $crate::forward_method!(@call $field, ArtifactBackend::stat,
            (id: $crate::ArtifactId) -> CallFuture<$crate::BlobStat>);
    };
    ($field:tt list) => {
        $crate::forward_method!(@call $field, ArtifactInventory::list, () -> CallFuture<$crate::BlobList>);
    };
    ($field:tt list_shard) => {
        $crate::forward_method!(@call $field, ArtifactInventory::list_shard,
            (shard: $crate::Shard, after: ::std::option::Option<$crate::ArtifactId>) -> CallFuture<$crate::BlobList>);
    };
    ($field:tt delete) => {
        $crate::forward_method!(@call $field, ArtifactInventory::delete,
            (id: $crate::ArtifactId) -> CallFuture<()>);
    };
    ($field:tt sweep) => {
        $crate::forward_method!(@call $field, ArtifactInventory::sweep,
            (older_than: ::std::time::Duration) -> CallFuture<$crate::SweepReport>);
    };
    ($field:tt store_id) => {
        $crate::forward_method!(@call $field, ArtifactInventory::store_id,
            () -> CallFuture<::std::option::Option<$crate::StoreId>>);
    };
    ($field:tt create_store_id) => {
        $crate::forward_method!(@call $field, ArtifactInventory::create_store_id,
            (new: $crate::StoreId) -> CallFuture<$crate::StoreId>);
    };
    ($field:tt probe) => {
        $crate::forward_method!(@call $field, ArtifactInventory::probe, () -> CallFuture<()>);
    };
    ($field:tt close) => {
        $crate::forward_method!(@call $field, ArtifactInventory::close, () -> UnitFuture<>);
    };
    ($field:tt noted) => {
        fn noted(&self) -> ::std::option::Option<::std::sync::Arc<dyn $crate::NotedBackend>> {
            $crate::ArtifactBackend::noted(&self.$field)
        }
    };
    ($field:tt note_log) => {
        fn note_log(&self) -> ::std::option::Option<::std::sync::Arc<dyn $crate::NoteLog>> {
            $crate::ArtifactInventory::note_log(&self.$field)
        }
    };
    ($field:tt expect_size) => {
        fn expect_size(&mut self, bytes: u64) {
            $crate::Upload::expect_size(&mut *self.$field, bytes);
        }
    };
    ($field:tt write) => {
        fn write<'life0, 'async_trait>(
            &'life0 mut self,
            bytes: $crate::forwarding::Bytes,
        ) -> $crate::forwarding::CallFuture<'async_trait, ()>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            $crate::Upload::write(&mut *self.$field, bytes)
        }
    };
    ($field:tt commit) => {
        $crate::forward_method!(@end $field, commit);
    };
    ($field:tt abort) => {
        $crate::forward_method!(@end $field, abort);
    };
}
