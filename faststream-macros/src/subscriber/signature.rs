//! What a handler's signature may be: free, owned, with named types.

use syn::{FnArg, ReturnType, Signature, Type};

use crate::errors::Errors;

pub(super) fn arguments<'a>(sig: &'a Signature, errors: &mut Errors) -> Vec<&'a Type> {
    if !sig.generics.params.is_empty() {
        let message =
            "a subscriber can't be generic: it is registered at link time, where nobody chooses the types";
        errors.at(&sig.generics, message);
    }
    if let syn::Safety::Unsafe(unsafety) = &sig.safety {
        errors.at(unsafety, "a subscriber is called by the framework: it can't be `unsafe`");
    }
    if let Some(abi) = &sig.abi {
        errors.at(abi, "a subscriber is a Rust function: remove the ABI");
    }
    if let ReturnType::Type(_, ty) = &sig.output
        && let Type::ImplTrait(opaque) = &**ty
    {
        errors.at(opaque, "name the type that is returned: `impl Trait` can't be published nor settled");
    }
    sig.inputs.iter().filter_map(|argument| typed(argument, errors)).collect()
}

fn typed<'a>(argument: &'a FnArg, errors: &mut Errors) -> Option<&'a Type> {
    let message = match argument {
        FnArg::Receiver(_) => "a subscriber is a free function: take shared data as `State<T>`",
        FnArg::Typed(argument) => match &*argument.ty {
            Type::Reference(_) => "a subscriber owns its arguments: take this by value",
            Type::ImplTrait(_) => "a subscriber's arguments have named types",
            Type::Infer(_) => "write the type out: a record is read by it",
            ty => return Some(ty),
        },
    };
    match argument {
        FnArg::Receiver(receiver) => errors.at(receiver, message),
        FnArg::Typed(argument) => errors.at(&argument.ty, message),
    }
    None
}

/// The argument that settles by hand, by its name: an alias is found at start.
pub(super) fn ack<'a>(types: &[&'a Type]) -> Option<&'a Type> {
    types.iter().copied().find(|ty| match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| segment.ident == "Ack"),
        _ => false,
    })
}

pub(super) fn returns_something(sig: &Signature, errors: &mut Errors) {
    let nothing = match &sig.output {
        ReturnType::Default => true,
        ReturnType::Type(_, ty) => matches!(&**ty, Type::Tuple(tuple) if tuple.elems.is_empty()),
    };
    if nothing {
        errors.at(&sig.ident, "`#[publisher]` publishes what is returned, and nothing is: return a value");
    }
}
