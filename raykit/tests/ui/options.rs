use raykit::remote;

#[remote(num_cpu = 2)]
fn unknown_near() {}

#[remote(retries = 2)]
fn unknown_part() {}

#[remote(colour = "red")]
fn unknown_far() {}

#[remote(num_cpus = 1, max_retries = 2, num_cpus = 2)]
fn twice() {}

#[remote(num_cpus = -1)]
fn negative() {}

#[remote(num_gpus = f64::NAN)]
fn not_a_number() {}

#[remote(num_cpus = "two")]
fn text() {}

#[remote(memory = 1.5)]
fn part_of_a_byte() {}

#[remote(max_retries = -1)]
fn for_ever() {}

#[remote(timeout = 10)]
fn bare_timeout() {}

#[remote(strategy = Pack)]
fn packed() {}

#[remote(resources("disk" = -1))]
fn negative_resource() {}

#[remote(resources = 1)]
fn bare_resource() {}

#[remote(labels = "zone")]
fn labelled() {}

#[remote(num_cpus)]
fn no_value() {}

#[remote(2)]
fn no_key() {}

#[remote(num_returns = 0)]
fn no_results() {}

#[remote(num_returns = 9)]
fn too_many_results() -> Vec<i64> {
    vec![]
}

#[remote(crate = "raykit")]
fn wrong_path() {}

fn main() {
    // Callers see no second error.
    unknown_near::remote();
    negative::options().num_cpus(1.0).remote();
}
