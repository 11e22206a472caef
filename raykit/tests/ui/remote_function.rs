use raykit::RemoteFunction;

struct Plain;

fn of<F: RemoteFunction>() {}

fn main() {
    of::<Plain>();
}
