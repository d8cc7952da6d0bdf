/** AssemblyScript's integer names, so that TypeScript reads `layout.ts` as it stands. */
declare type u8 = number;
declare type u16 = number;
declare type u32 = number;
declare type i32 = number;
declare type f32 = number;
declare type StaticArray<T> = readonly T[];
