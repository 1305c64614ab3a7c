;; The two passes of Pillow's resampling, 8 bits a channel, by vectors of 128 bits: weights in fixed point of 22 bits, sums of 32 bits that begin
;; with a half, then shifted and saturated. `starts` and `counts` have 4 bytes for each pixel or row of the result, `values` 4 × `taps`. Addresses and
;; strides in bytes. Both read and write up to 15 bytes beyond what they are asked for.
;; After a change: node activities/recognition/picture/resize/compile-passes.ts
(module
  (memory (export "memory") 1)

  ;; Row by row, three interleaved channels: each of `width` pixels out of `counts` of the same row, from `starts` on.
  (func (export "across")
    (param $source i32) (param $stride i32) (param $height i32) (param $out i32) (param $width i32)
    (param $starts i32) (param $counts i32) (param $values i32) (param $taps i32)
    (local $x i32) (local $pixel i32) (local $value i32) (local $last i32) (local $sum v128)
    (loop $rows
      (local.set $x (i32.const 0))
      (loop $columns
        (local.set $sum (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
        (local.set $pixel (i32.add (local.get $source)
          (i32.mul (i32.load (i32.add (local.get $starts) (i32.shl (local.get $x) (i32.const 2)))) (i32.const 3))))
        (local.set $value (i32.add (local.get $values)
          (i32.shl (i32.mul (local.get $x) (local.get $taps)) (i32.const 2))))
        (local.set $last (i32.add (local.get $value)
          (i32.shl (i32.load (i32.add (local.get $counts) (i32.shl (local.get $x) (i32.const 2)))) (i32.const 2))))
        (block $done
          (loop $each
            (br_if $done (i32.ge_u (local.get $value) (local.get $last)))
            (local.set $sum (i32x4.add (local.get $sum) (i32x4.mul
              (i32x4.extend_low_i16x8_u (i16x8.extend_low_i8x16_u (v128.load32_zero (local.get $pixel))))
              (v128.load32_splat (local.get $value)))))
            (local.set $pixel (i32.add (local.get $pixel) (i32.const 3)))
            (local.set $value (i32.add (local.get $value) (i32.const 4)))
            (br $each)))
        (local.set $sum (i32x4.shr_s (local.get $sum) (i32.const 22)))
        (local.set $sum (i16x8.narrow_i32x4_s (local.get $sum) (local.get $sum)))
        (v128.store32_lane 0 (local.get $out) (i8x16.narrow_i16x8_u (local.get $sum) (local.get $sum)))
        (local.set $out (i32.add (local.get $out) (i32.const 3)))
        (local.set $x (i32.add (local.get $x) (i32.const 1)))
        (br_if $columns (i32.lt_u (local.get $x) (local.get $width))))
      (local.set $source (i32.add (local.get $source) (local.get $stride)))
      (local.set $height (i32.sub (local.get $height) (i32.const 1)))
      (br_if $rows (local.get $height))))

  ;; Column by column: each of `height` rows of `length` values out of `counts` rows, from `starts` on.
  (func (export "down")
    (param $source i32) (param $stride i32) (param $length i32) (param $out i32) (param $height i32)
    (param $starts i32) (param $counts i32) (param $values i32) (param $taps i32)
    (local $y i32) (local $x i32) (local $first i32) (local $row i32) (local $value i32) (local $begin i32) (local $last i32)
    (local $bytes v128) (local $low v128) (local $high v128) (local $weight v128)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (loop $rows
      (local.set $first (i32.add (local.get $source)
        (i32.mul (i32.load (i32.add (local.get $starts) (i32.shl (local.get $y) (i32.const 2)))) (local.get $stride))))
      (local.set $begin (i32.add (local.get $values)
        (i32.shl (i32.mul (local.get $y) (local.get $taps)) (i32.const 2))))
      (local.set $last (i32.add (local.get $begin)
        (i32.shl (i32.load (i32.add (local.get $counts) (i32.shl (local.get $y) (i32.const 2)))) (i32.const 2))))
      (local.set $x (i32.const 0))
      (loop $columns
        (local.set $a (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
        (local.set $b (local.get $a))
        (local.set $c (local.get $a))
        (local.set $d (local.get $a))
        (local.set $row (i32.add (local.get $first) (local.get $x)))
        (local.set $value (local.get $begin))
        (block $done
          (loop $each
            (br_if $done (i32.ge_u (local.get $value) (local.get $last)))
            (local.set $bytes (v128.load align=1 (local.get $row)))
            (local.set $low (i16x8.extend_low_i8x16_u (local.get $bytes)))
            (local.set $high (i16x8.extend_high_i8x16_u (local.get $bytes)))
            (local.set $weight (v128.load32_splat (local.get $value)))
            (local.set $a (i32x4.add (local.get $a) (i32x4.mul (i32x4.extend_low_i16x8_u (local.get $low)) (local.get $weight))))
            (local.set $b (i32x4.add (local.get $b) (i32x4.mul (i32x4.extend_high_i16x8_u (local.get $low)) (local.get $weight))))
            (local.set $c (i32x4.add (local.get $c) (i32x4.mul (i32x4.extend_low_i16x8_u (local.get $high)) (local.get $weight))))
            (local.set $d (i32x4.add (local.get $d) (i32x4.mul (i32x4.extend_high_i16x8_u (local.get $high)) (local.get $weight))))
            (local.set $row (i32.add (local.get $row) (local.get $stride)))
            (local.set $value (i32.add (local.get $value) (i32.const 4)))
            (br $each)))
        (v128.store align=1 (i32.add (local.get $out) (local.get $x)) (i8x16.narrow_i16x8_u
          (i16x8.narrow_i32x4_s (i32x4.shr_s (local.get $a) (i32.const 22)) (i32x4.shr_s (local.get $b) (i32.const 22)))
          (i16x8.narrow_i32x4_s (i32x4.shr_s (local.get $c) (i32.const 22)) (i32x4.shr_s (local.get $d) (i32.const 22)))))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (br_if $columns (i32.lt_u (local.get $x) (local.get $length))))
      (local.set $out (i32.add (local.get $out) (local.get $length)))
      (local.set $y (i32.add (local.get $y) (i32.const 1)))
      (br_if $rows (i32.lt_u (local.get $y) (local.get $height))))))
