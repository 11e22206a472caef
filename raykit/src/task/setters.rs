//! The setters of options, for the types that the macro makes beside functions and actors: as
//! macros, since these types are the user's.

/// What a call or an actor may ask for beside CPUs. `$field` is the field that holds the options.
#[doc(hidden)]
#[macro_export]
macro_rules! __resource_option_methods {
    ($field:tt) => {
        /// GPUs, held as long as the CPUs are.
        pub fn num_gpus(mut self, n: ::core::primitive::f64) -> Self {
            self.$field.num_gpus = n;
            self
        }
        /// Bytes of memory to reserve.
        pub fn memory(mut self, bytes: ::core::primitive::u64) -> Self {
            self.$field.memory = bytes;
            self
        }
        /// An amount of a resource that the nodes' configuration names. The last
        /// amount of a name counts.
        pub fn resource(
            mut self,
            name: impl ::core::convert::Into<::std::borrow::Cow<'static, ::core::primitive::str>>,
            amount: ::core::primitive::f64,
        ) -> Self {
            self.$field.resources.to_mut().push((::core::convert::Into::into(name), amount));
            self
        }
        /// What a label of the node must be: `a`, `!a`, `in(a, b)` or `!in(a, b)`.
        pub fn label(
            mut self,
            name: impl ::core::convert::Into<::std::borrow::Cow<'static, ::core::primitive::str>>,
            value: impl ::core::convert::Into<::std::borrow::Cow<'static, ::core::primitive::str>>,
        ) -> Self {
            let value = ::core::convert::Into::into(value);
            self.$field.labels.to_mut().push((::core::convert::Into::into(name), value));
            self
        }
    };
}

/// What a call of a function and one of a method have in common. `$field` is the field that holds
/// the [`Options`].
#[doc(hidden)]
#[macro_export]
macro_rules! __attempt_option_methods {
    ($field:tt) => {
        /// Further attempts: after a lost process, after a crash of the actor that broke the call
        /// off, and after the failures that `retry_on` names.
        pub fn max_retries(mut self, n: ::core::primitive::u32) -> Self {
            self.$field.max_retries = n;
            self.$field.own_retries = true;
            self
        }
        /// Which failures of the function itself are tried again.
        pub fn retry_on(mut self, which: $crate::RetryOn) -> Self {
            self.$field.retry_on = which;
            self.$field.own_retries = true;
            self
        }
        /// The name that messages, traces and `context()` show.
        pub fn name(
            mut self,
            name: impl ::core::convert::Into<::std::borrow::Cow<'static, ::core::primitive::str>>,
        ) -> Self {
            self.$field.name = ::core::option::Option::Some(::core::convert::Into::into(name));
            self
        }
        /// From the call to its result; then the reference resolves to a timeout error.
        pub fn timeout(mut self, limit: ::std::time::Duration) -> Self {
            self.$field.timeout = ::core::option::Option::Some(limit);
            self
        }
        /// Of a stream: how many items it may be ahead of who takes them.
        pub fn backpressure(mut self, n: ::core::primitive::u32) -> Self {
            self.$field.backpressure = ::core::option::Option::Some(n);
            self
        }
        /// Of a stream: how many bytes of items it may be ahead; it pauses after the item that
        /// reaches this.
        pub fn backpressure_bytes(mut self, bytes: ::core::primitive::u64) -> Self {
            self.$field.backpressure_bytes = ::core::option::Option::Some(bytes);
            self
        }
    };
}

/// The methods of `f::options()`, for the type that the macro makes beside each function. `$field`
/// is the field that holds the [`Options`].
#[doc(hidden)]
#[macro_export]
macro_rules! __option_methods {
    ($field:tt) => {
        /// CPUs the call is charged while it runs: 1 unless said otherwise, fractions allowed.
        pub fn num_cpus(mut self, n: ::core::primitive::f64) -> Self {
            self.$field.num_cpus = n;
            self
        }
        $crate::__resource_option_methods!($field);
        $crate::__attempt_option_methods!($field);
        /// Tasks of a higher priority start first; children inherit it. 0 unless said otherwise.
        pub fn priority(mut self, priority: ::core::primitive::i32) -> Self {
            self.$field.priority = ::core::option::Option::Some(priority);
            self
        }
        /// Where the call should run.
        pub fn strategy(mut self, strategy: $crate::Strategy) -> Self {
            self.$field.strategy = strategy;
            self
        }
    };
}

/// The methods of `A::options()`, for the type that the macro makes beside each actor. `$field` is
/// the field that holds the `ActorOptions`.
#[doc(hidden)]
#[macro_export]
macro_rules! __actor_option_methods {
    ($field:tt) => {
        /// CPUs that the actor holds for as long as it lives, fractions allowed. 0 unless said
        /// otherwise: then each method is charged one while it runs.
        pub fn num_cpus(mut self, n: ::core::primitive::f64) -> Self {
            self.$field.num_cpus = n;
            self
        }
        $crate::__resource_option_methods!($field);
        /// How often the actor starts again after a crash.
        pub fn max_restarts(mut self, n: ::core::primitive::u32) -> Self {
            self.$field.max_restarts = n;
            self
        }
        /// Further attempts of its methods, where neither the method nor the call says how many: of
        /// a call that a crash broke off, and for what `retry_on` names.
        pub fn max_retries(mut self, n: ::core::primitive::u32) -> Self {
            self.$field.max_retries = n;
            self
        }
        /// The time within which restarts are counted; without it all are.
        pub fn restart_window(mut self, window: ::std::time::Duration) -> Self {
            self.$field.restart_window = ::core::option::Option::Some(window);
            self
        }
        /// `&self` calls that may run at the same time.
        pub fn max_concurrency(mut self, n: ::core::primitive::u32) -> Self {
            self.$field.max_concurrency = n;
            self
        }
        /// Calls that may wait for the actor; see [`WhenFull`]($crate::WhenFull).
        pub fn max_pending(mut self, n: ::core::primitive::u32) -> Self {
            self.$field.max_pending = n;
            self
        }
        /// After so many calls that may change the state it is kept, for a struct with the option
        /// `checkpoint_every`; 0: on request only.
        pub fn checkpoint_every(mut self, calls: ::core::primitive::u32) -> Self {
            self.$field.checkpoint_every = calls;
            self
        }
        /// The name by which [`raykit::actor`]($crate::actor) finds it.
        pub fn name(
            mut self,
            name: impl ::core::convert::Into<::std::borrow::Cow<'static, ::core::primitive::str>>,
        ) -> Self {
            self.$field.name = ::core::option::Option::Some(::core::convert::Into::into(name));
            self
        }
        /// Where the name is looked up.
        pub fn namespace(
            mut self,
            name: impl ::core::convert::Into<::std::borrow::Cow<'static, ::core::primitive::str>>,
        ) -> Self {
            self.$field.namespace = ::core::option::Option::Some(::core::convert::Into::into(name));
            self
        }
        /// Gives the actor that has the name already, if there is one.
        pub fn get_if_exists(mut self) -> Self {
            self.$field.get_if_exists = true;
            self
        }
        /// The actor lives until it is killed, handles or not. It needs a name.
        pub fn detached(mut self) -> Self {
            self.$field.detached = true;
            self
        }
        /// On which node the actor lives.
        pub fn strategy(mut self, strategy: $crate::Strategy) -> Self {
            self.$field.strategy = strategy;
            self
        }
        /// Who decides when the actor fails beyond its own `max_restarts`.
        pub fn supervisor(mut self, supervisor: &$crate::Supervisor) -> Self {
            self.$field.supervisor = ::core::option::Option::Some(supervisor.__supervised());
            self
        }
        /// Calls start when they can, and not in the order of their caller.
        pub fn out_of_order(mut self) -> Self {
            self.$field.out_of_order = true;
            self
        }
    };
}

/// The methods of `handle.options()`. `$field` is the field that holds the `Options`.
#[doc(hidden)]
#[macro_export]
macro_rules! __call_option_methods {
    ($field:tt) => {
        $crate::__attempt_option_methods!($field);
        /// What happens when the actor has as many calls waiting as it may have.
        pub fn when_full(mut self, what: $crate::WhenFull) -> Self {
            self.$field.when_full = what;
            self
        }
        /// The call starts when it can, whatever its caller has called before.
        pub fn unordered(mut self) -> Self {
            self.$field.ordered = false;
            self
        }
    };
}
