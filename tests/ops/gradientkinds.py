"""Which kind of gradient each op has; random draws have none."""

LISTED = {
    "autograd": """
        absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh conjugate cos cosh deg2rad degrees divide
        dot exp exp2 expand_dims expm1 fabs fmax fmin imag inner linalg.det linalg.inv linalg.matmul log log10 log1p
        log2 logaddexp logaddexp2 matmul maximum minimum moveaxis multiply negative pow power rad2deg radians real
        reciprocal remainder sin sinh sqrt square squeeze subtract swapaxes tan tanh transpose
    """,
    "rewrite": """
        add.accumulate add.outer add.reduce append arctan2.outer array array_split asarray astype atleast_1d
        atleast_2d atleast_3d average block broadcast_arrays broadcast_to cbrt choose clip column_stack compress
        concatenate convolve copy copysign copysign.outer corrcoef correlate cov cross cumprod cumsum cumulative_prod
        cumulative_sum delete diag diagflat diagonal diff divide.outer divmod dsplit dstack ediff1d einsum extract
        fft.fftshift fft.ifftshift flip fliplr flipud float_power float_power.outer fmax.accumulate fmax.outer
        fmin.accumulate fmin.outer fmod fmod.outer full full_like getitem getitem.array heaviside hsplit hstack hypot
        hypot.outer iadd imatmul imod imul insert interp ipow isub item itruediv kron ldexp linalg.cholesky
        linalg.cond linalg.cross linalg.diagonal linalg.eigh linalg.eigvalsh linalg.matrix_norm linalg.matrix_power
        linalg.matrix_transpose linalg.multi_dot linalg.norm linalg.outer linalg.pinv linalg.slogdet linalg.solve
        linalg.svd linalg.svdvals linalg.tensordot linalg.tensorinv linalg.tensorsolve linalg.trace linalg.vecdot
        linalg.vector_norm linspace logaddexp.accumulate logaddexp.outer logaddexp.reduce logaddexp2.accumulate
        logaddexp2.outer logaddexp2.reduce logspace matrix_transpose matvec max maximum.accumulate maximum.outer
        maximum.reduce mean median meshgrid min minimum.accumulate minimum.outer minimum.reduce modf
        multiply.accumulate multiply.outer multiply.reduce nan_to_num nancumprod nancumsum nanmax nanmean nanmin
        nanprod nanstd nansum nanvar outer pad partition percentile polyval positive power.outer prod ptp quantile
        ravel real_if_close remainder.outer repeat reshape resize roll rollaxis rot90 select setitem setitem.array
        sinc sort split stack std subtract.outer sum take take_along_axis tensordot tile trace trapezoid tril triu
        unstack unwrap vander var vdot vecdot vecmat vsplit vstack where
    """,
    "constant": """
        all allclose any argmax argmin argpartition argsort argwhere array_equal array_equiv bitwise_and bitwise_count
        bitwise_or bitwise_xor ceil count_nonzero diag_indices_from digitize empty_like equal equal.outer fix
        flatnonzero floor floor_divide floor_divide.outer gcd greater greater.outer greater_equal greater_equal.outer
        iand ifloordiv ilshift invert ior irshift isclose iscomplex isfinite isin isinf isnan isnat isneginf isposinf
        isreal ix_ ixor lcm left_shift less less.outer less_equal less_equal.outer lexsort linalg.matrix_rank
        logical_and logical_and.outer logical_not logical_or logical_or.outer logical_xor logical_xor.outer nanargmax
        nanargmin nonzero not_equal not_equal.outer ones_like packbits ravel_multi_index right_shift rint round
        searchsorted sign signbit spacing tril_indices_from triu_indices_from trunc unpackbits unravel_index
        zeros_like
    """,
    "none": """
        add.reduceat angle arange arctan2.accumulate arctan2.reduce arctan2.reduceat bartlett bincount
        bitwise_and.accumulate bitwise_and.outer bitwise_and.reduce bitwise_and.reduceat bitwise_or.accumulate
        bitwise_or.outer bitwise_or.reduce bitwise_or.reduceat bitwise_xor.accumulate bitwise_xor.outer
        bitwise_xor.reduce bitwise_xor.reduceat blackman copysign.accumulate copysign.reduce copysign.reduceat
        diag_indices divide.accumulate divide.reduce divide.reduceat divmod.outer dp_release empty equal.accumulate
        equal.reduce equal.reduceat eye fft.fft fft.fft2 fft.fftfreq fft.fftn fft.hfft fft.ifft fft.ifft2 fft.ifftn
        fft.ihfft fft.irfft fft.irfft2 fft.irfftn fft.rfft fft.rfft2 fft.rfftfreq fft.rfftn float_power.accumulate
        float_power.reduce float_power.reduceat floor_divide.accumulate floor_divide.reduce floor_divide.reduceat
        fmax.reduce fmax.reduceat fmin.reduce fmin.reduceat fmod.accumulate fmod.reduce fmod.reduceat frexp
        gcd.accumulate gcd.outer gcd.reduce gcd.reduceat geomspace gradient greater.accumulate greater.reduce
        greater.reduceat greater_equal.accumulate greater_equal.reduce greater_equal.reduceat hamming hanning
        heaviside.accumulate heaviside.outer heaviside.reduce heaviside.reduceat histogram histogram2d
        histogram_bin_edges histogramdd hypot.accumulate hypot.reduce hypot.reduceat i0 identity indices intersect1d
        kaiser lcm.accumulate lcm.outer lcm.reduce lcm.reduceat ldexp.accumulate ldexp.outer ldexp.reduce
        ldexp.reduceat left_shift.accumulate left_shift.outer left_shift.reduce left_shift.reduceat less.accumulate
        less.reduce less.reduceat less_equal.accumulate less_equal.reduce less_equal.reduceat linalg.eig
        linalg.eigvals linalg.lstsq linalg.qr logaddexp.reduceat logaddexp2.reduceat logical_and.accumulate
        logical_and.reduce logical_and.reduceat logical_or.accumulate logical_or.reduce logical_or.reduceat
        logical_xor.accumulate logical_xor.reduce logical_xor.reduceat maximum.reduceat minimum.reduceat
        multiply.reduceat nanmedian nanpercentile nanquantile nextafter nextafter.accumulate nextafter.outer
        nextafter.reduce nextafter.reduceat not_equal.accumulate not_equal.reduce not_equal.reduceat ones
        power.accumulate power.reduce power.reduceat remainder.accumulate remainder.reduce remainder.reduceat
        right_shift.accumulate right_shift.outer right_shift.reduce right_shift.reduceat run setdiff1d setxor1d
        sort_complex subtract.accumulate subtract.reduce subtract.reduceat tri tril_indices trim_zeros triu_indices
        union1d unique unique_all unique_counts unique_inverse unique_values zeros
    """,
}
