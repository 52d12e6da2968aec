//! Has the linker begin the program where the seal is (src/sys/entry.rs), and put the functions of frequent commands together
//! (bench/order.ld, made by bench/order).

fn main() {
    let set = |name: &str, value: &str| std::env::var(name).is_ok_and(|is| is == value);
    // For another architecture the linker is called without a compiler.
    let entry =
        if set("CARGO_CFG_TARGET_ARCH", "x86_64") { "-Wl,-e,casque_entry" } else { "--entry=casque_entry" };
    println!("cargo::rustc-link-arg-bin=casque={entry}");
    println!("cargo::rerun-if-changed=bench/order.ld");
    println!("cargo::rerun-if-env-changed=CASQUE_SYMBOLS");
    if set("PROFILE", "release") && set("CARGO_CFG_TARGET_ARCH", "x86_64") {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/order.ld");
        println!("cargo::rustc-link-arg-bin=casque=-Wl,-T,{script}");
        // Constants beside the functions: two mappings less in each execve(2).
        println!("cargo::rustc-link-arg-bin=casque=-Wl,-z,noseparate-code");
        // `strip` of the profile does not reach a package that has settings of its own.
        // For `make order`: with symbols, and the linker's map in the file of this name.
        match std::env::var("CASQUE_SYMBOLS") {
            Ok(map) => println!("cargo::rustc-link-arg-bin=casque=-Wl,-Map,{map}"),
            Err(_) => println!("cargo::rustc-link-arg-bin=casque=-Wl,--strip-all"),
        }
    }
}
