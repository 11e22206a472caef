//! tonic's unary calls of eight bytes, without Protobuf.

use crate::{Add, Outcome};
use bytes::{Buf, BufMut};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{Service, http};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

#[derive(Clone, Copy, Default)]
struct Number;

impl Codec for Number {
    type Encode = u64;
    type Decode = u64;
    type Encoder = Number;
    type Decoder = Number;
    fn encoder(&mut self) -> Number {
        Number
    }
    fn decoder(&mut self) -> Number {
        Number
    }
}

impl Encoder for Number {
    type Item = u64;
    type Error = Status;
    fn encode(&mut self, item: u64, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_u64_le(item);
        Ok(())
    }
}

impl Decoder for Number {
    type Item = u64;
    type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<u64>, Status> {
        Ok((from.remaining() >= 8).then(|| from.get_u64_le()))
    }
}

#[derive(Clone, Default)]
struct Counter(Arc<AtomicU64>);

impl NamedService for Counter {
    const NAME: &'static str = "bench.Counter";
}

impl UnaryService<u64> for Counter {
    type Response = u64;
    type Future = Ready<Result<Response<u64>, Status>>;
    fn call(&mut self, by: Request<u64>) -> Self::Future {
        let by = by.into_inner();
        ready(Ok(Response::new(self.0.fetch_add(by, Ordering::Relaxed) + by)))
    }
}

impl Service<http::Request<Body>> for Counter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let counter = self.clone();
        Box::pin(async { Ok(tonic::server::Grpc::new(Number).unary(counter, request).await) })
    }
}

pub(crate) async fn serve(listen: IpAddr) -> Outcome {
    let listener = tokio::net::TcpListener::bind((listen, 0)).await?;
    println!("{}", listener.local_addr()?);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok(Server::builder().serve_with_incoming(Counter::default(), incoming).await?)
}

#[derive(Clone)]
pub(crate) struct Client(Grpc<Channel>);

impl Client {
    pub(crate) async fn dial(address: &str) -> Outcome<Client> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
        Ok(Client(Grpc::new(endpoint.connect().await?)))
    }
}

impl Add for Client {
    async fn add(&mut self, by: u64) -> Outcome<u64> {
        let path = http::uri::PathAndQuery::from_static("/bench.Counter/Add");
        self.0.ready().await?;
        Ok(self.0.unary(Request::new(by), path, Number).await?.into_inner())
    }
}
